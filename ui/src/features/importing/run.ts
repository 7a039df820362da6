/** Carries a plan out, post by post: pausable, repeatable, and without doubling what an earlier run has done. */
import type { ImportOutcome, Imports } from '../../api/imports';
import { asFailure, type Failure } from '../../api/problem';
import type { Plan, PlannedAnswer, PlannedQuestion } from './plan';
import { postCount, sourcesOf } from './plan';
import type { Gate } from './gate';
import type { StartedStore } from './started';

export interface ItemError {
  readonly source: string;
  readonly message: string;
  readonly traceId: string | undefined;
}

export interface Progress {
  readonly total: number;
  readonly done: number;
  /** Posts that an earlier run has imported. */
  readonly skipped: number;
  readonly votes: number;
  readonly droppedVotes: Readonly<Record<string, number>>;
  readonly comments: number;
  readonly errors: readonly ItemError[];
  /** Content that was created although the post was there already; an administrator may delete it. */
  readonly leftOver: readonly string[];
}

export interface RunTools {
  readonly imports: Imports;
  readonly started: StartedStore;
  readonly wait: (ms: number) => Promise<void>;
}

export interface RunTarget {
  readonly spaceId: string;
  readonly questionType: string;
  readonly answerType: string;
}

/** Registering is safe to repeat; Confluence may also show a new item to the backend a moment late. */
const PAUSES_MS: readonly number[] = [1_000, 3_000, 8_000, 20_000];
const LONGEST_PAUSE_MS = 65_000;
/** So many failures in a row are no accident of single posts: the run pauses and says so. */
const FAILURES_TO_PAUSE = 5;
const KNOWN_AT_ONCE = 250;

/** The post above an answer was not imported, so the answer has no place yet. */
const NO_QUESTION = 'Its question was not imported.';

type Change = (change: (last: Progress) => Progress) => void;

class Run {
  private readonly known = new Map<string, string>();
  private failuresInRow = 0;

  constructor(
    private readonly tools: RunTools,
    private readonly target: RunTarget,
    private readonly gate: Gate,
    private readonly change: Change,
  ) {}

  async all(plan: Plan): Promise<void> {
    const sources = sourcesOf(plan);
    for (let start = 0; start < sources.length; start += KNOWN_AT_ONCE) {
      const batch = sources.slice(start, start + KNOWN_AT_ONCE);
      const found = await this.patiently((failure) => failure.isTemporary, () => this.tools.imports.known(batch));
      found.forEach((contentId, source) => this.known.set(source, contentId));
    }
    for (const question of plan.questions) {
      const questionId = await this.item(question.source, () => this.question(question));
      for (const answer of question.answers) {
        await this.item(answer.source, () => this.answer(answer, questionId));
      }
    }
  }

  /** One post, with its failure written down; null where it has no content in the end. */
  private async item(source: string, work: () => Promise<string>): Promise<string | null> {
    await this.gate.passage();
    try {
      const contentId = await work();
      this.failuresInRow = 0;
      this.change((last) => ({ ...last, done: last.done + 1 }));
      return contentId;
    } catch (reason) {
      const { message, traceId } = asFailure(reason);
      const error = { source, message: reason instanceof NoQuestion ? NO_QUESTION : message, traceId };
      this.change((last) => ({ ...last, done: last.done + 1, errors: [...last.errors, error] }));
      this.failuresInRow += 1;
      if (this.failuresInRow % FAILURES_TO_PAUSE === 0) this.gate.pause();
      return null;
    }
  }

  private question(post: PlannedQuestion): Promise<string> {
    const { spaceId, questionType } = this.target;
    const create = () =>
      this.tools.imports.create({ type: questionType, container: { spaceId }, title: post.title, storage: post.storage });
    const { source, author, createdAt, tags, votes, activeAt, bounty, closed } = post;
    return this.post(post, create, (contentId) =>
      this.tools.imports.takeQuestion({
        source,
        contentId,
        author,
        createdAt,
        tags,
        votes,
        ...(activeAt === null ? {} : { activeAt }),
        ...(bounty === null ? {} : { bounty }),
        ...(closed === null ? {} : { closed: { reason: closed } }),
      }),
    );
  }

  private answer(post: PlannedAnswer, questionId: string | null): Promise<string> {
    const known = this.known.get(post.source);
    if (questionId === null && known === undefined) throw new NoQuestion();
    const below = questionId ?? '';
    const create = () =>
      this.tools.imports.create({
        type: this.target.answerType,
        container: { customContentId: below },
        title: post.title,
        storage: post.storage,
      });
    const { source, author, createdAt, votes, isAccepted, acceptedAt } = post;
    return this.post(post, create, (contentId) =>
      this.tools.imports.takeAnswer({
        source,
        contentId,
        questionId: below,
        author,
        createdAt,
        votes,
        isAccepted,
        ...(acceptedAt === null ? {} : { acceptedAt }),
      }),
    );
  }

  private async post(
    { source, comments }: PlannedQuestion | PlannedAnswer,
    create: () => Promise<string>,
    take: (contentId: string) => Promise<ImportOutcome>,
  ): Promise<string> {
    const known = this.known.get(source);
    const begun = this.tools.started.get(source);
    if (known !== undefined && begun?.contentId !== known) {
      this.change((last) => ({ ...last, skipped: last.skipped + 1 }));
      return known;
    }
    const contentId = known ?? begun?.contentId ?? (await this.created(source, create));
    const kept = known ?? (await this.taken(source, contentId, take));
    this.known.set(source, kept);
    if (kept !== contentId) {
      this.tools.started.remove(source);
      this.change((last) => ({ ...last, leftOver: [...last.leftOver, contentId] }));
      return kept;
    }
    await this.commented(source, contentId, comments);
    this.tools.started.remove(source);
    return kept;
  }

  /** Creating is not safe to repeat: an answer that was lost may have been a yes. Only a clear "later" is. */
  private async created(source: string, create: () => Promise<string>): Promise<string> {
    const contentId = await this.patiently(({ kind }) => kind === 'too-many', create);
    this.tools.started.put(source, { contentId, commentsDone: 0 });
    return contentId;
  }

  private async taken(source: string, contentId: string, take: (contentId: string) => Promise<ImportOutcome>): Promise<string> {
    try {
      const hopeful = (failure: Failure) => failure.isTemporary || failure.kind === 'not-found';
      const outcome = await this.patiently(hopeful, () => take(contentId));
      this.count(outcome);
      return outcome.contentId;
    } catch (reason) {
      // Content that is gone is created anew by the next run.
      if (asFailure(reason).kind === 'not-found') this.tools.started.remove(source);
      throw reason;
    }
  }

  private async commented(source: string, contentId: string, comments: readonly string[]): Promise<void> {
    for (let at = this.tools.started.get(source)?.commentsDone ?? comments.length; at < comments.length; at += 1) {
      await this.patiently(({ kind }) => kind === 'too-many', () => this.tools.imports.comment(contentId, comments[at] ?? ''));
      this.tools.started.put(source, { contentId, commentsDone: at + 1 });
      this.change((last) => ({ ...last, comments: last.comments + 1 }));
    }
  }

  private count({ votes, droppedVotes }: ImportOutcome): void {
    this.change((last) => {
      const dropped = { ...last.droppedVotes };
      for (const { reason, count } of droppedVotes) dropped[reason] = (dropped[reason] ?? 0) + count;
      return { ...last, votes: last.votes + votes, droppedVotes: dropped };
    });
  }

  private async patiently<Result>(isHopeful: (failure: Failure) => boolean, work: () => Promise<Result>): Promise<Result> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await work();
      } catch (reason) {
        const failure = asFailure(reason);
        const pause = PAUSES_MS[attempt];
        if (!isHopeful(failure) || pause === undefined) throw reason;
        await this.tools.wait(Math.min(Math.max(pause, (failure.retryAfterS ?? 0) * 1_000), LONGEST_PAUSE_MS));
        await this.gate.passage();
      }
    }
  }
}

class NoQuestion extends Error {}

export function noProgress(plan: Plan): Progress {
  return { total: postCount(plan), done: 0, skipped: 0, votes: 0, droppedVotes: {}, comments: 0, errors: [], leftOver: [] };
}

/**
 * Resolves when every post was tried; rejects with a `Failure` when what is known cannot be asked, and with
 * `Stopped` when the gate was closed for good. Running the same plan again tries what is missing.
 */
export async function runImport(plan: Plan, target: RunTarget, tools: RunTools, gate: Gate, onProgress: (progress: Progress) => void): Promise<Progress> {
  let progress = noProgress(plan);
  const change: Change = (make) => {
    progress = make(progress);
    onProgress(progress);
  };
  await new Run(tools, target, gate, change).all(plan);
  return progress;
}

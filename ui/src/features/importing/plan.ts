/** What an import will write, and what it cannot keep: worked out in full before anything is written. */
import type { Inline } from '../../shared/body';
import { text } from '../../shared/body';
import { toStorage } from '../../shared/storage';
import type { Loss } from './loss';
import { emptyLoss, LossBook } from './loss';
import type { CloseReason, OldAnswer, OldComment, OldQuestion, OldSite, OldText } from './old-site';
import { MOST_TAGS, slugOf } from './tag-names';

export type Author = { readonly accountId: string } | { readonly former: string };

export interface PlannedVote {
  readonly accountId: string;
  readonly value: 1 | -1;
}

interface PlannedPost {
  readonly source: string;
  readonly title: string;
  readonly storage: string;
  readonly author: Author;
  readonly createdAt: string;
  readonly votes: readonly PlannedVote[];
  /** Storage text of each comment. */
  readonly comments: readonly string[];
}

export interface PlannedAnswer extends PlannedPost {
  readonly isAccepted: boolean;
  readonly acceptedAt: string | null;
}

export interface PlannedQuestion extends PlannedPost {
  readonly tags: readonly string[];
  readonly activeAt: string | null;
  readonly bounty: number | null;
  readonly closed: CloseReason | null;
  readonly answers: readonly PlannedAnswer[];
}

export interface Plan {
  readonly questions: readonly PlannedQuestion[];
  readonly loss: Loss;
}

export interface PlanChoices {
  /** Tells the old sites of several imports apart; part of every source. */
  readonly siteName: string;
  readonly accounts: ReadonlyMap<string, string>;
  readonly now: number;
}

const LONGEST_TITLE = 255;
const MOST_VOTES = 500;
const LARGEST_BOUNTY = 1_000_000;
const EARLIEST = Date.UTC(2000, 0, 1);
const UNKNOWN_AUTHOR = '?';

/** At most as long as Confluence takes, and never through the middle of a character. */
function cut(title: string): string {
  if (title.length <= LONGEST_TITLE) return title;
  return `${title.slice(0, LONGEST_TITLE - 1).toWellFormed().replace(/\ufffd$/, '')}…`;
}

class Planner {
  readonly book = new LossBook();
  private readonly sources = new Set<string>();

  constructor(private readonly choices: PlanChoices) {}

  /** Null for a second post with the same id. */
  private sourceOf(oldId: string): string | null {
    const source = `${this.choices.siteName}:${oldId}`;
    if (this.sources.has(source)) {
      this.book.note(oldId, 'is in the file twice; the second one is left out');
      return null;
    }
    this.sources.add(source);
    return source;
  }

  private author(name: string | null): Author {
    const accountId = name === null ? undefined : this.choices.accounts.get(name);
    if (accountId !== undefined) return { accountId };
    this.book.unmapped(name ?? UNKNOWN_AUTHOR);
    return { former: name ?? UNKNOWN_AUTHOR };
  }

  private time(where: string, given: string | null, fallback: number): string {
    const ms = given === null ? Number.NaN : Date.parse(given);
    if (Number.isNaN(ms)) {
      this.book.time(where, 'has no time that can be read');
      return new Date(fallback).toISOString();
    }
    const sound = Math.min(Math.max(ms, EARLIEST), this.choices.now);
    if (sound !== ms) this.book.time(where, ms < EARLIEST ? 'is from before 2000' : 'is from the future');
    return new Date(sound).toISOString();
  }

  /** A later time of the same post, where it is one. */
  private later(given: string | null, createdAt: string): string | null {
    const ms = given === null ? Number.NaN : Date.parse(given);
    return ms >= Date.parse(createdAt) && ms <= this.choices.now ? new Date(ms).toISOString() : null;
  }

  private storage(old: OldText): string {
    this.book.unsupported(old.unsupported);
    return toStorage(old.body) || '<p></p>';
  }

  private votes(post: OldQuestion | OldAnswer): PlannedVote[] {
    const votes = new Map<string, PlannedVote>();
    const author = post.author === null ? undefined : this.choices.accounts.get(post.author);
    for (const { voter, value } of post.votes) {
      const accountId = this.choices.accounts.get(voter);
      if (accountId === undefined) this.book.vote('voter-not-mapped');
      else if (accountId === author) this.book.vote('own-post');
      else if (votes.has(accountId)) this.book.vote('repeated');
      else if (votes.size === MOST_VOTES) this.book.vote('too-many');
      else votes.set(accountId, { accountId, value });
    }
    this.book.counted(post.countedVotes);
    return [...votes.values()];
  }

  /** Comments have no author of their own here: they are written by the importer and say whose they were. */
  private comment({ author, createdAt, text: old }: OldComment): string {
    const day = createdAt === null ? '' : ` on ${createdAt.slice(0, 10)}`;
    const head: Inline = { kind: 'mark', mark: 'em', children: [text(`Comment by ${author ?? 'somebody'}${day}:`)] };
    this.book.comments(1);
    this.book.unsupported(old.unsupported);
    return toStorage([{ kind: 'paragraph', children: [head] }, ...old.body]);
  }

  private tags(names: readonly string[]): string[] {
    const tags = new Set<string>();
    for (const name of names) {
      const slug = slugOf(name);
      if (slug === null || (tags.size === MOST_TAGS && !tags.has(slug))) this.book.tag(name, null);
      else {
        if (slug !== name) this.book.tag(name, slug);
        tags.add(slug);
      }
    }
    return [...tags];
  }

  private title(source: string, title: string): string {
    // Control characters are in no title that a person has written.
    const clean = title.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim().toWellFormed();
    if (clean === '') {
      this.book.title(source, 'has no title');
      return 'Question without a title';
    }
    if (clean.length <= LONGEST_TITLE) return clean;
    this.book.title(source, 'has a title of more than 255 characters');
    return cut(clean);
  }

  private post(old: OldQuestion | OldAnswer, source: string, title: string, fallback: number): PlannedPost {
    return {
      source,
      title,
      storage: this.storage(old.text),
      author: this.author(old.author),
      createdAt: this.time(source, old.createdAt, fallback),
      votes: this.votes(old),
      comments: old.comments.map((comment) => this.comment(comment)),
    };
  }

  question(old: OldQuestion): PlannedQuestion[] {
    const source = this.sourceOf(old.oldId);
    if (source === null) return [];
    const title = this.title(source, old.title);
    const post = this.post(old, source, title, this.choices.now);
    const isBounty = old.bounty !== null && old.bounty <= LARGEST_BOUNTY;
    if (old.bounty !== null && !isBounty) this.book.note(source, 'has a bounty beyond all measure');
    this.book.questions(1);
    return [
      {
        ...post,
        tags: this.tags(old.tags),
        activeAt: this.later(old.activeAt, post.createdAt),
        bounty: isBounty ? old.bounty : null,
        closed: old.closed,
        answers: old.answers.flatMap((answer) => this.answer(answer, title, Date.parse(post.createdAt))),
      },
    ];
  }

  private answer(old: OldAnswer, questionTitle: string, askedAt: number): PlannedAnswer[] {
    const source = this.sourceOf(old.oldId);
    if (source === null) return [];
    // People never see the title of an answer in our pages.
    const post = this.post(old, source, cut(`Answer: ${questionTitle}`), askedAt);
    this.book.answers(1);
    const acceptedAt = old.isAccepted ? this.later(old.acceptedAt, post.createdAt) : null;
    return [{ ...post, isAccepted: old.isAccepted, acceptedAt }];
  }
}

export function planImport(site: OldSite, choices: PlanChoices): Plan {
  const planner = new Planner(choices);
  for (const { where, what } of site.notes) planner.book.note(where, what);
  const questions = site.questions.flatMap((question) => planner.question(question));
  return { questions, loss: planner.book.loss() };
}

export const NOTHING_PLANNED: Plan = { questions: [], loss: emptyLoss() };

export function postCount({ questions }: Plan): number {
  return questions.reduce((sum, { answers }) => sum + 1 + answers.length, 0);
}

export function sourcesOf({ questions }: Plan): string[] {
  return questions.flatMap(({ source, answers }) => [source, ...answers.map((answer) => answer.source)]);
}

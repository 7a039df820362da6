/** Writing a post in two steps: create it in Confluence as the person, then register its id. */
import type { Client } from './client';
import type { Confluence, NewPost } from './confluence';
import type { PendingRegistration, PendingStore } from './pending';
import { asFailure, Failure } from './problem';

/** Pauses between the tries of one registration while the person waits. */
export const RETRY_PAUSES_MS: readonly number[] = [800, 2_500, 6_000];

/** A person does not wait longer than this for one try, whatever the backend asks for. */
const LONGEST_PAUSE_MS = 10_000;

/**
 * In every outcome the text is safe in Confluence. `saved`: the registration will be tried again;
 * `refused`: the backend will not list this post, and trying again would not change that.
 */
export type Posted =
  | { readonly outcome: 'registered'; readonly contentId: string }
  | { readonly outcome: 'saved' | 'refused'; readonly contentId: string; readonly failure: Failure };

export interface PostingTools {
  readonly client: Client;
  readonly confluence: Confluence;
  readonly pending: PendingStore;
  readonly wait: (ms: number) => Promise<void>;
}

type Registration =
  | { readonly kind: 'question'; readonly tags: readonly string[] }
  | { readonly kind: 'answer'; readonly questionId: string };

export function newKey(): string {
  return crypto.randomUUID();
}

async function register(client: Client, entry: PendingRegistration): Promise<void> {
  if (entry.kind === 'question') {
    await client.registerQuestion(entry.contentId, entry.tags, entry.idempotencyKey);
    return;
  }
  await client.registerAnswer(entry.questionId, entry.contentId, entry.idempotencyKey);
}

/**
 * Tries one registration, pausing between tries while the failure is temporary. A not-found answer
 * counts as temporary too: Confluence may show a new item to the backend a moment later.
 */
async function settle(
  tools: PostingTools,
  entry: PendingRegistration,
  pauses: readonly number[],
): Promise<Posted> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await register(tools.client, entry);
      tools.pending.remove(entry.contentId);
      return { outcome: 'registered', contentId: entry.contentId };
    } catch (reason) {
      const failure = asFailure(reason);
      const hopeful = failure.isTemporary || failure.kind === 'not-found';
      if (!hopeful) {
        tools.pending.remove(entry.contentId);
        return { outcome: 'refused', contentId: entry.contentId, failure };
      }
      const pause = pauses[attempt];
      if (pause === undefined) return { outcome: 'saved', contentId: entry.contentId, failure };
      const asked = (failure.retryAfterS ?? 0) * 1_000;
      await tools.wait(Math.min(Math.max(pause, asked), LONGEST_PAUSE_MS));
    }
  }
}

/** Rejects with a `Failure` only when Confluence refused the text; nothing was written then. */
export async function publish(
  tools: PostingTools,
  post: NewPost,
  registration: Registration,
  onSaved: (contentId: string) => void = () => undefined,
): Promise<Posted> {
  const { id: contentId } = await tools.confluence.create(post);
  const entry = { ...registration, contentId, idempotencyKey: newKey(), since: Date.now() };
  tools.pending.add(entry);
  onSaved(contentId);
  return settle(tools, entry, RETRY_PAUSES_MS);
}

/** Tries everything that is still pending once; returns the posts that are registered now. */
export async function resume(tools: PostingTools): Promise<readonly PendingRegistration[]> {
  const done: PendingRegistration[] = [];
  for (const entry of tools.pending.list()) {
    const { outcome } = await settle(tools, entry, []);
    if (outcome === 'registered') done.push(entry);
  }
  return done;
}

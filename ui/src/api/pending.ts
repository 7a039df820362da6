/** Registrations that did not reach the backend yet, kept in the browser until one succeeds. */

export interface PendingQuestion {
  readonly kind: 'question';
  readonly contentId: string;
  readonly tags: readonly string[];
  readonly idempotencyKey: string;
  readonly since: number;
}

export interface PendingAnswer {
  readonly kind: 'answer';
  readonly contentId: string;
  readonly questionId: string;
  readonly idempotencyKey: string;
  readonly since: number;
}

export type PendingRegistration = PendingQuestion | PendingAnswer;

/** After this time the backend has long found the post by itself (webhook and reconcile). */
const KEEP_MS = 7 * 24 * 3_600_000;

export interface PendingStore {
  readonly list: () => PendingRegistration[];
  readonly add: (entry: PendingRegistration) => void;
  readonly remove: (contentId: string) => void;
}

/** One list per site and account: a shared browser must not register a post as somebody else. */
export function pendingStore(
  storage: Storage,
  owner: { site: string; accountId: string },
  now: () => number = Date.now,
): PendingStore {
  const key = `cq:pending:${owner.site}:${owner.accountId}`;

  const read = (): PendingRegistration[] => {
    try {
      const entries = JSON.parse(storage.getItem(key) ?? '[]') as PendingRegistration[];
      return entries.filter((entry) => now() - entry.since < KEEP_MS);
    } catch {
      return [];
    }
  };
  const write = (entries: readonly PendingRegistration[]) => {
    try {
      if (entries.length === 0) storage.removeItem(key);
      else storage.setItem(key, JSON.stringify(entries));
    } catch {
      // A browser without storage loses only the early retry: the backend's webhook still comes.
    }
  };

  return {
    list: read,
    add: (entry) => write([...read().filter((old) => old.contentId !== entry.contentId), entry]),
    remove: (contentId) => write(read().filter((entry) => entry.contentId !== contentId)),
  };
}

/** Text that a person has typed and not sent, kept in their browser only. */
import { useCallback, useEffect, useRef, useState } from 'react';

export interface DraftOwner {
  readonly site: string;
  readonly accountId: string;
}

/** `place` names what the draft is for, for example `space:65537` or `answer:1201`. */
export function draftKey(owner: DraftOwner, place: string): string {
  return `cq:draft:${owner.site}:${owner.accountId}:${place}`;
}

function read<Draft>(storage: Storage, key: string, empty: Draft): Draft {
  try {
    return { ...empty, ...(JSON.parse(storage.getItem(key) ?? '{}') as Partial<Draft>) };
  } catch {
    return empty;
  }
}

function write(storage: Storage, key: string, draft: unknown): void {
  try {
    storage.setItem(key, JSON.stringify(draft));
  } catch {
    // A full storage keeps the last version that fitted; the text itself is still on the page.
  }
}

export interface DraftHandle<Draft> {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
  /** Forgets the stored draft and empties the form. */
  readonly clear: () => void;
}

/**
 * Each change is stored at once: a frame can be torn down without an unload event, so a delayed
 * write would lose the last words.
 */
export function useDraft<Draft extends object>(
  storage: Storage,
  key: string,
  empty: Draft,
): DraftHandle<Draft> {
  const [draft, setDraft] = useState(() => read(storage, key, empty));
  const latest = useRef(draft);
  const blank = useRef(empty);

  useEffect(() => {
    latest.current = draft;
  }, [draft]);

  const change = useCallback(
    (part: Partial<Draft>) => {
      latest.current = { ...latest.current, ...part };
      write(storage, key, latest.current);
      setDraft(latest.current);
    },
    [storage, key],
  );
  const clear = useCallback(() => {
    storage.removeItem(key);
    latest.current = blank.current;
    setDraft(blank.current);
  }, [storage, key]);

  return { draft, change, clear };
}

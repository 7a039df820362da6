/**
 * Posts that were created in Confluence and not registered, or not wholly commented on, yet.
 *
 * Kept in the administrator's browser, so that an import that was broken off creates nothing a second time.
 */

export interface Started {
  readonly contentId: string;
  readonly commentsDone: number;
}

export interface StartedStore {
  readonly get: (source: string) => Started | undefined;
  readonly put: (source: string, started: Started) => void;
  readonly remove: (source: string) => void;
}

interface Owner {
  readonly site: string;
  readonly accountId: string;
}

export function startedStore(storage: Storage, { site, accountId }: Owner): StartedStore {
  const key = `cq:import:${site}:${accountId}`;
  const read = (): Map<string, Started> => {
    try {
      return new Map(Object.entries(JSON.parse(storage.getItem(key) ?? '{}') as Record<string, Started>));
    } catch {
      return new Map();
    }
  };
  const entries = read();
  const write = () => {
    try {
      if (entries.size === 0) storage.removeItem(key);
      else storage.setItem(key, JSON.stringify(Object.fromEntries(entries)));
    } catch {
      // Without storage only an import that breaks off between its two steps can double one post.
    }
  };
  return {
    get: (source) => entries.get(source),
    put: (source, started) => {
      entries.set(source, started);
      write();
    },
    remove: (source) => {
      entries.delete(source);
      write();
    },
  };
}

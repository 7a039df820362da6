/** Reads and writes Confluence as the person: custom content, people and spaces (REST v2). */
import type { ConfluenceInit, HostBridge } from '../host/bridge';
import { HostUnavailable } from '../host/bridge';
import { Failure, kindOf, sentenceFor } from './problem';

export interface Post {
  readonly id: string;
  readonly title: string;
  /** Storage format; null when the body was not asked for. */
  readonly body: string | null;
}

export interface Person {
  readonly name: string;
  readonly pictureUrl: string | null;
}

export interface Space {
  readonly id: string;
  readonly key: string;
  readonly name: string;
}

export interface NewPost {
  readonly type: string;
  readonly container: { readonly spaceId: string } | { readonly customContentId: string };
  readonly title: string;
  readonly storage: string;
}

interface ContentJson {
  id: string;
  title: string;
  body?: { storage?: { value?: string } };
}

interface PersonJson {
  accountId: string;
  displayName?: string;
  publicName?: string;
  profilePicture?: { path?: string; isDefault?: boolean };
}

/** Confluence's sentence is worth showing where it refuses, because only it knows the rule. */
function refusal(status: number, body: string): Failure {
  const kind = kindOf(status);
  try {
    const first = (JSON.parse(body) as { errors?: { title?: string }[] }).errors?.[0]?.title;
    if (kind === 'invalid' && first) return new Failure(kind, first, { status });
  } catch {
    // Some refusals of Confluence are HTML pages; the fixed sentence is enough then.
  }
  return new Failure(kind, sentenceFor(kind), { status });
}

export async function send<Answered>(
  host: HostBridge,
  path: string,
  init?: ConfluenceInit,
): Promise<Answered> {
  const answer = await host.confluence(path, init).catch((cause: unknown) => {
    if (!(cause instanceof HostUnavailable)) throw cause;
    throw new Failure('offline', sentenceFor('offline'), { cause });
  });
  if (answer.status < 200 || answer.status > 299) throw refusal(answer.status, answer.body);
  try {
    return JSON.parse(answer.body) as Answered;
  } catch (cause) {
    throw new Failure('unexpected', sentenceFor('unexpected'), { cause });
  }
}

function post(json: ContentJson): Post {
  return { id: json.id, title: json.title, body: json.body?.storage?.value ?? null };
}

/** The bulk read takes up to 250 ids; fewer keep the address below common limits. */
const IDS_PER_READ = 50;

/**
 * Posts the person may see, by id. An id that does not come back is one the person may not see or
 * that no longer exists; callers show nothing for it.
 */
async function posts(
  host: HostBridge,
  type: string,
  ids: readonly string[],
  withBodies: boolean,
): Promise<Map<string, Post>> {
  const found = new Map<string, Post>();
  for (let start = 0; start < ids.length; start += IDS_PER_READ) {
    const search = new URLSearchParams({ type, limit: String(IDS_PER_READ) });
    if (withBodies) search.set('body-format', 'storage');
    for (const id of ids.slice(start, start + IDS_PER_READ)) search.append('id', id);
    const { results } = await send<{ results: ContentJson[] }>(
      host,
      `/api/v2/custom-content?${search.toString()}`,
    );
    for (const item of results) found.set(item.id, post(item));
  }
  return found;
}

/** Names and pictures are kept for the life of the page only and are stored nowhere. */
function peopleReader(host: HostBridge, site: string) {
  const known = new Map<string, Person>();

  const remember = (json: PersonJson) => {
    const path = json.profilePicture?.isDefault ? undefined : json.profilePicture?.path;
    known.set(json.accountId, {
      name: json.displayName || json.publicName || 'Unnamed person',
      pictureUrl: path ? new URL(path, site).href : null,
    });
  };

  return async (accountIds: readonly string[]): Promise<ReadonlyMap<string, Person>> => {
    const missing = [...new Set(accountIds)].filter((id) => !known.has(id));
    if (missing.length > 0) {
      try {
        const { results } = await send<{ results: PersonJson[] }>(host, '/api/v2/users-bulk', {
          method: 'POST',
          json: { accountIds: missing },
        });
        results.forEach(remember);
      } catch (reason) {
        // A page without names is still useful; a page that fails for want of names is not.
        if (!(reason instanceof Failure)) throw reason;
      }
    }
    return known;
  };
}

export function createConfluence(host: HostBridge, site: string) {
  return {
    titles: (type: string, ids: readonly string[]) => posts(host, type, ids, false),
    bodies: (type: string, ids: readonly string[]) => posts(host, type, ids, true),
    people: peopleReader(host, site),
    post: async (id: string): Promise<Post> =>
      post(
        await send<ContentJson>(
          host,
          `/api/v2/custom-content/${encodeURIComponent(id)}?body-format=storage`,
        ),
      ),
    create: async ({ type, container, title, storage }: NewPost): Promise<Post> =>
      post(
        await send<ContentJson>(host, '/api/v2/custom-content', {
          method: 'POST',
          json: {
            type,
            status: 'current',
            ...container,
            title,
            body: { representation: 'storage', value: storage },
          },
        }),
      ),
    spaces: async (): Promise<Space[]> =>
      (
        await send<{ results: Space[] }>(host, '/api/v2/spaces?limit=250&status=current&sort=name')
      ).results.map(({ id, key, name }) => ({ id, key, name })),
    space: (id: string) => send<Space>(host, `/api/v2/spaces/${encodeURIComponent(id)}`),
  };
}

export type Confluence = ReturnType<typeof createConfluence>;

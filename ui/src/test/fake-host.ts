/** A host bridge over a fake site; it behaves, records what it was asked, and can be told to fail. */
import type {
  BackendAnswer,
  ConfluenceAnswer,
  ConfluenceInit,
  Flag,
  HostBridge,
  HostContext,
  HostHistory,
  HostTarget,
} from '../host/bridge';
import { ENGINEERING, NAMES } from './cast';
import { callFakeBackend } from './fake-backend';
import { addPost, type FakeSite } from './fake-site';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** Either side of the bridge; `null` lets the call through, an error becomes a rejection. */
type Fault = (call: Asked) => BackendAnswer | Error | Promise<BackendAnswer | Error | null> | null;

export interface FakeHost extends HostBridge {
  readonly asked: Asked[];
  readonly flags: Flag[];
  readonly visited: HostTarget[];
  readonly pushed: string[];
  title: string;
  /** Consulted before every call; replace it to make calls fail or wait. */
  fault: Fault;
  /** Moves through the host's history, as the browser's back button does. */
  readonly goBack: (state: string) => void;
}

export const CONTEXT: HostContext = {
  site: 'https://acme.example',
  spaceId: ENGINEERING.id,
  spaceKey: ENGINEERING.key,
  contentId: null,
};

const json = (status: number, value: unknown): ConfluenceAnswer => ({ status, body: JSON.stringify(value) });

const notFound = json(404, { errors: [{ status: 404, code: 'NOT_FOUND', title: 'Not Found' }] });

function contentJson(site: FakeSite, id: string, withBody: boolean) {
  const post = site.posts.get(id);
  if (!post?.isVisible) return [];
  const body = withBody ? { body: { storage: { representation: 'storage', value: post.storage } } } : {};
  return [{ id, type: post.type, status: 'current', title: post.title, spaceId: ENGINEERING.id, ...body }];
}

function createContent(site: FakeSite, init: ConfluenceInit): ConfluenceAnswer {
  const wanted = init.json as { type: string; title: string; body: { value: string } };
  const id = addPost(site, {
    type: wanted.type,
    title: wanted.title,
    storage: wanted.body.value,
    authorId: site.accountId,
  });
  return json(200, contentJson(site, id, false)[0]);
}

function callFakeConfluence(site: FakeSite, path: string, init: ConfluenceInit): ConfluenceAnswer {
  const { pathname, searchParams } = new URL(path, 'http://fake.invalid');
  const withBody = searchParams.get('body-format') === 'storage';
  const one = /^\/api\/v2\/custom-content\/(\d+)$/.exec(pathname)?.[1];
  if (one) {
    const [found] = contentJson(site, one, withBody);
    return found ? json(200, found) : notFound;
  }
  switch (pathname) {
    case '/api/v2/custom-content': {
      if (init.method === 'POST') return createContent(site, init);
      const ids = searchParams.getAll('id');
      return json(200, { results: ids.flatMap((id) => contentJson(site, id, withBody)), _links: {} });
    }
    case '/api/v2/users-bulk': {
      const { accountIds } = init.json as { accountIds: string[] };
      const results = accountIds.map((accountId) => ({ accountId, displayName: NAMES[accountId] }));
      return json(200, { results });
    }
    case '/api/v2/spaces':
      return json(200, { results: [ENGINEERING, { id: '65538', key: 'HR', name: 'People and Culture' }] });
    case `/api/v2/spaces/${ENGINEERING.id}`:
      return json(200, ENGINEERING);
    default:
      throw new Error(`The fake Confluence has no route ${pathname}.`);
  }
}

export function fakeHost(site: FakeSite, context: HostContext = CONTEXT): FakeHost {
  let listener: (state: string) => void = () => undefined;
  const pushed: string[] = [];
  const history: HostHistory = {
    push: (state) => void pushed.push(state),
    replace: (state) => void pushed.splice(-1, 1, state),
    current: () => Promise.resolve(''),
    onChange: (listen) => {
      listener = listen;
      return () => undefined;
    },
  };

  const host: FakeHost = {
    asked: [],
    flags: [],
    visited: [],
    pushed,
    title: '',
    fault: () => null,
    history,
    goBack: (state) => listener(state),
    context: () => Promise.resolve(context),
    backend: async (method, path, body, headers = {}) => {
      const call = { method, path, body, headers };
      host.asked.push(call);
      const fault = await host.fault(call);
      if (fault instanceof Error) throw fault;
      return fault ?? callFakeBackend(site, method, path, structuredClone(body));
    },
    confluence: async (path, init = {}) => {
      const call = { method: init.method ?? 'GET', path, body: init.json, headers: {} };
      host.asked.push(call);
      const fault = await host.fault(call);
      if (fault instanceof Error) throw fault;
      return fault ?? callFakeConfluence(site, path, init);
    },
    flag: (flag) => void host.flags.push(flag),
    navigate: (target) => void host.visited.push(target),
    enableTheme: () => Promise.resolve(),
    scrollToTop: () => undefined,
    setTitle: (title) => {
      host.title = title;
    },
  };
  return host;
}

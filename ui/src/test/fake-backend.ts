/** /api/v1 over a fake site: the routes that the front end calls, with their refusals. */
import type { BackendAnswer, BackendMethod } from '../host/bridge';
import type { NewDestination } from '../api/types';
import { TYPES } from './cast';
import { accept, addAnswer, addQuestion, type FakeSite, listAnswers, listQuestions } from './fake-site';

interface Incoming {
  readonly site: FakeSite;
  readonly search: URLSearchParams;
  readonly body: Record<string, unknown>;
}

type Handler = (incoming: Incoming, ...ids: string[]) => BackendAnswer;

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

export function answer(status: number, json?: unknown): BackendAnswer {
  return {
    status,
    body: json === undefined ? '' : JSON.stringify(json),
    headers: { 'content-type': 'application/json' },
  };
}

export function problem(status: number, code: string, detail: string, more: object = {}): BackendAnswer {
  const body = { type: `urn:cq:${code}`, title: detail, status, detail, code, traceId: TRACE_ID, ...more };
  return {
    status,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/problem+json' },
  };
}

const missing = () => problem(404, 'not-found', 'Nothing here.');

function page(items: readonly unknown[], search: URLSearchParams): BackendAnswer {
  const start = Number(search.get('cursor') ?? '0');
  const limit = Number(search.get('limit') ?? '25');
  const end = start + limit;
  return answer(200, { items: items.slice(start, end), next: end < items.length ? String(end) : null });
}

function vote(row: { score?: number; myVote?: number; authorId: string | null } | undefined, { site, body }: Incoming) {
  if (!row) return missing();
  if (row.authorId === site.accountId) return problem(403, 'own-post', 'You cannot vote on your own post.');
  const value = Number(body.value);
  row.score = (row.score ?? 0) + value - (row.myVote ?? 0);
  row.myVote = value;
  return answer(200, { value, score: row.score });
}

function register({ site, body }: Incoming): BackendAnswer {
  const id = String(body.contentId);
  if (!site.posts.has(id)) return missing();
  const isKnown = site.questions.has(id);
  if (!isKnown) addQuestion(site, id, { tags: (body.tags as string[] | undefined) ?? [] });
  return answer(isKnown ? 200 : 201, site.questions.get(id));
}

function registerAnswer({ site, body }: Incoming, questionId = ''): BackendAnswer {
  const id = String(body.contentId);
  if (!site.posts.has(id) || !site.questions.has(questionId)) return missing();
  const known = site.answers.get(id);
  return known ? answer(200, known) : answer(201, addAnswer(site, questionId, id));
}

function addDestination({ site, body }: Incoming): BackendAnswer {
  const wanted = body as unknown as NewDestination;
  const url = new URL(wanted.url);
  if (!url.hostname.endsWith('.logic.azure.com')) {
    return problem(400, 'invalid', 'The request has problems.', {
      problems: [{ pointer: '/url', detail: 'is not that of a Teams workflow' }],
    });
  }
  const id = String(site.nextId++);
  site.destinations.set(id, {
    id,
    kind: 'teams',
    label: wanted.label,
    scope: wanted.scope,
    events: wanted.events,
    disclosure: wanted.disclosure,
    state: 'active',
    disabledReason: null,
    endpoint: { host: url.hostname, ending: wanted.url.slice(-4) },
    lastDeliveredAt: null,
    createdAt: new Date().toISOString(),
  });
  return answer(201, site.destinations.get(id));
}

function patchDestination({ site, body }: Incoming, id = ''): BackendAnswer {
  const destination = site.destinations.get(id);
  if (!destination) return missing();
  Object.assign(destination, body, { disabledReason: null });
  return answer(200, destination);
}

function question(site: FakeSite, id = ''): BackendAnswer {
  const row = site.questions.get(id);
  return row ? answer(200, row) : missing();
}

const ROUTES: readonly [BackendMethod, RegExp, Handler][] = [
  ['GET', /^\/me$/, ({ site }) =>
    answer(200, {
      accountId: site.accountId,
      isAdministrator: site.isAdministrator,
      appKey: 'community-questions',
      contentTypes: TYPES,
    })],
  ['GET', /^\/spaces\/\d+\/grants$/, ({ site }) => answer(200, site.grants)],
  ['GET', /^\/questions$/, ({ site, search }) => page(listQuestions(site, search), search)],
  ['POST', /^\/questions$/, register],
  ['GET', /^\/questions\/(\d+)$/, ({ site }, id) => question(site, id)],
  ['GET', /^\/questions\/(\d+)\/answers$/, ({ site, search }, id = '') => page(listAnswers(site, id), search)],
  ['POST', /^\/questions\/(\d+)\/answers$/, registerAnswer],
  ['PUT', /^\/questions\/(\d+)\/accepted$/, ({ site, body }, id = '') => {
    accept(site, id, body.answerId as string | null);
    return question(site, id);
  }],
  ['PUT', /^\/questions\/(\d+)\/vote$/, (incoming, id = '') => vote(incoming.site.questions.get(id), incoming)],
  ['PUT', /^\/answers\/(\d+)\/vote$/, (incoming, id = '') => vote(incoming.site.answers.get(id), incoming)],
  ['GET', /^\/destinations$/, ({ site, search }) => page([...site.destinations.values()], search)],
  ['POST', /^\/destinations$/, addDestination],
  ['PATCH', /^\/destinations\/(\d+)$/, patchDestination],
  ['DELETE', /^\/destinations\/(\d+)$/, ({ site }, id = '') =>
    site.destinations.delete(id) ? answer(204) : missing()],
  ['POST', /^\/destinations\/(\d+)\/test$/, () =>
    answer(200, { outcome: 'delivered', httpStatus: 202, detail: '' })],
];

export function callFakeBackend(
  site: FakeSite,
  method: BackendMethod,
  path: string,
  body: unknown,
): BackendAnswer {
  const url = new URL(path, 'http://fake.invalid');
  const below = url.pathname.replace(/^\/api\/v1/, '');
  for (const [allowed, pattern, handle] of ROUTES) {
    const match = allowed === method ? pattern.exec(below) : null;
    if (match) {
      const incoming = { site, search: url.searchParams, body: (body ?? {}) as Record<string, unknown> };
      return handle(incoming, ...match.slice(1));
    }
  }
  throw new Error(`The fake backend has no route ${method} ${below}.`);
}

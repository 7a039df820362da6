import { afterEach, expect, test, vi } from 'vitest';

import type { Ap, ApRequest } from './ap';
import { HostUnavailable } from './bridge';
import { connectBridge } from './connect';
import { stateOf } from './connect-history';
import { forgetToken, readPage } from './page';

const CONTEXT = { site: 'https://acme.example', spaceId: '1', spaceKey: 'ENG', contentId: null };

/** An `AP` that counts tokens and answers product requests from a table. */
function fakeAp(answers: Record<string, { status: number; body: string }> = {}) {
  const requests: ApRequest[] = [];
  let tokens = 0;
  const ap: Ap = {
    context: { getToken: () => Promise.resolve(`token-${++tokens}`) },
    request: (request) => {
      requests.push(request);
      const { status, body } = answers[request.url] ?? { status: 404, body: '{}' };
      const xhr = { status, responseText: body };
      return status < 300
        ? Promise.resolve({ body, xhr })
        : // The real bridge rejects with a plain object.
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
          Promise.reject({ xhr, err: 'error' });
    },
  };
  return { ap, requests };
}

afterEach(() => vi.unstubAllGlobals());

test('every backend call carries a fresh token and never a cookie', async () => {
  const calls: RequestInit[] = [];
  vi.stubGlobal('fetch', (_path: string, init: RequestInit) => {
    calls.push(init);
    return Promise.resolve(new Response('{}', { status: 200 }));
  });
  const bridge = connectBridge(fakeAp().ap, CONTEXT);

  await bridge.backend('GET', '/api/v1/me');
  await bridge.backend('POST', '/api/v1/questions', { contentId: '1' }, { 'Idempotency-Key': 'k' });

  expect(calls.map(({ headers }) => (headers as Record<string, string>).Authorization)).toEqual([
    'JWT token-1',
    'JWT token-2',
  ]);
  expect(calls.every(({ credentials }) => credentials === 'omit')).toBe(true);
  expect(calls[1]).toMatchObject({
    body: '{"contentId":"1"}',
    headers: { 'Idempotency-Key': 'k', 'Content-Type': 'application/json' },
  });
});

test('a network failure and a missing token are host failures', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  const { ap } = fakeAp();
  await expect(connectBridge(ap, CONTEXT).backend('GET', '/x')).rejects.toBeInstanceOf(HostUnavailable);

  ap.context.getToken = () => Promise.reject(new Error('no'));
  await expect(connectBridge(ap, CONTEXT).backend('GET', '/x')).rejects.toBeInstanceOf(HostUnavailable);
});

test('a product refusal is an answer; silence is a failure', async () => {
  const { ap } = fakeAp({ '/api/v2/spaces/1': { status: 403, body: '{"errors":[]}' } });
  const bridge = connectBridge(ap, CONTEXT);

  await expect(bridge.confluence('/api/v2/spaces/1')).resolves.toEqual({ status: 403, body: '{"errors":[]}' });
  ap.request = () => Promise.reject(new Error('no answer'));
  await expect(bridge.confluence('/api/v2/spaces/1')).rejects.toBeInstanceOf(HostUnavailable);
});

test('a product write is JSON text', async () => {
  const { ap, requests } = fakeAp({ '/api/v2/users-bulk': { status: 200, body: '{}' } });

  await connectBridge(ap, CONTEXT).confluence('/api/v2/users-bulk', { method: 'POST', json: { a: 1 } });

  expect(requests).toMatchObject([{ type: 'POST', contentType: 'application/json', data: '{"a":1}' }]);
});

test('a host without theming or history still works', async () => {
  const bridge = connectBridge(fakeAp().ap, CONTEXT);

  await expect(bridge.enableTheme()).resolves.toBeUndefined();
  expect(bridge.history).toBeNull();
});

test('each move through the history is heard once, also when callbacks are kept', () => {
  const callbacks: ((event: unknown) => void)[] = [];
  const { ap } = fakeAp();
  ap.history = {
    pushState: () => undefined,
    replaceState: () => undefined,
    getState: (_type, callback) => callback('question-5'),
    popState: (callback) => void callbacks.push(callback),
  };
  const heard: string[] = [];
  connectBridge(ap, CONTEXT).history?.onChange((state) => heard.push(state));

  for (const state of ['ask', 'questions']) {
    for (const callback of [...callbacks]) callback({ state });
  }

  expect(heard).toEqual(['ask', 'questions']);
});

test.each([
  ['#!question-5', 'question-5'],
  [{ state: 'ask' }, 'ask'],
  [{ hash: '!ask' }, 'ask'],
  [{ newURL: 'https://acme.example/wiki#!question-5' }, 'question-5'],
  [{ newURL: 'https://acme.example/wiki' }, ''],
  [null, ''],
])('the state of %j is %j', (event, state) => {
  expect(stateOf(event)).toBe(state);
});

test('the token leaves the address, the rest stays', () => {
  window.history.replaceState(null, '', '/ui/questions?spaceId=1&jwt=abc.def.ghi&xdm_e=https%3A%2F%2Facme.example');

  forgetToken(window);

  expect(window.location.search).toBe('?spaceId=1&xdm_e=https%3A%2F%2Facme.example');
});

test('the page tells view, space and site; an unknown view is the list', () => {
  window.history.replaceState(null, '', '/ui/question?xdm_e=https%3A%2F%2Facme.example');
  const root = document.createElement('div');
  Object.assign(root.dataset, { view: 'question', spaceId: '1', spaceKey: '', contentId: '9' });

  expect(readPage(root, window)).toEqual({
    view: 'question',
    context: { site: 'https://acme.example', spaceId: '1', spaceKey: null, contentId: '9' },
  });
  root.dataset.view = 'nonsense';
  expect(readPage(root, window).view).toBe('questions');
});

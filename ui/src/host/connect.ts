/** The host bridge over Atlassian Connect: token and product requests through the `AP` global. */
import type { Ap, ApXhr } from './ap';
import type {
  BackendAnswer,
  ConfluenceAnswer,
  ConfluenceInit,
  HostBridge,
  HostContext,
} from './bridge';
import { HostUnavailable } from './bridge';
import { connectHistory } from './connect-history';

const BACKEND_TIMEOUT_MS = 20_000;
const TOKEN_TIMEOUT_MS = 10_000;
const THEME_TIMEOUT_MS = 1_500;

function within<Value>(promise: Promise<Value>, limitMs: number, what: string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new HostUnavailable(`${what} took too long`)), limitMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

async function token(ap: Ap): Promise<string> {
  try {
    return await within(ap.context.getToken(), TOKEN_TIMEOUT_MS, 'The token');
  } catch (cause) {
    throw new HostUnavailable('The host gave no token', { cause });
  }
}

async function callBackend(
  ap: Ap,
  ...[method, path, body, headers]: Parameters<HostBridge['backend']>
): Promise<BackendAnswer> {
  const proof = await token(ap);
  try {
    const response = await fetch(path, {
      method,
      headers: {
        ...headers,
        Accept: 'application/json, application/problem+json',
        Authorization: `JWT ${proof}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      signal: AbortSignal.timeout(BACKEND_TIMEOUT_MS),
    });
    return {
      status: response.status,
      body: await response.text(),
      headers: Object.fromEntries(response.headers),
    };
  } catch (cause) {
    throw new HostUnavailable('The backend did not answer', { cause });
  }
}

/** `AP.request` rejects with `{ xhr, err }` for every status outside 2xx. */
function refused(reason: unknown): ConfluenceAnswer {
  const xhr = (reason as { xhr?: ApXhr } | null)?.xhr;
  if (xhr?.status) return { status: xhr.status, body: xhr.responseText ?? '' };
  throw new HostUnavailable('Confluence did not answer', { cause: reason });
}

async function callConfluence(
  ap: Ap,
  path: string,
  init: ConfluenceInit,
): Promise<ConfluenceAnswer> {
  const request = ap.request({
    url: path,
    type: init.method ?? 'GET',
    headers: { Accept: 'application/json' },
    ...(init.json === undefined
      ? {}
      : { contentType: 'application/json', data: JSON.stringify(init.json) }),
  });
  return request.then(({ body, xhr }) => ({ status: xhr?.status ?? 200, body }), refused);
}

function navigate(ap: Ap, target: Parameters<HostBridge['navigate']>[0]): void {
  if (target.kind === 'content') ap.navigator?.go('contentview', { contentId: target.contentId });
  else ap.navigator?.go('spaceview', { spaceKey: target.spaceKey });
}

/** Null outside of a host page: the script that defines `AP` did not find one. */
export function findAp(page: Window): Ap | null {
  return page.AP ?? null;
}

export function connectBridge(ap: Ap, context: HostContext): HostBridge {
  return {
    context: () => Promise.resolve(context),
    backend: (...call) => callBackend(ap, ...call),
    confluence: (path, init = {}) => callConfluence(ap, path, init),
    flag: ({ kind, title, body }) =>
      ap.flag?.create({ title, body: body ?? '', type: kind, close: 'auto' }),
    navigate: (target) => navigate(ap, target),
    // A host without theming, or one that is slow to answer, must not keep the page from showing.
    enableTheme: () =>
      within(Promise.resolve(ap.theming?.initializeTheming()), THEME_TIMEOUT_MS, 'The theme').then(
        () => undefined,
        () => undefined,
      ),
    setTitle: (title) => ap.page?.setTitle(title),
    scrollToTop: () => ap.scrollPosition?.setVerticalPosition?.(0),
    history: ap.history ? connectHistory(ap.history) : null,
  };
}

/** Reads what the backend wrote into the page, and removes the token from the page's address. */
import type { HostContext } from './bridge';

export type StartView = 'questions' | 'question' | 'ask' | 'admin';

export interface PageStart {
  readonly view: StartView;
  readonly context: HostContext;
}

const VIEWS: readonly StartView[] = ['questions', 'question', 'ask', 'admin'];

/**
 * The frame's address holds a signed token; once it is removed neither a copied address nor a
 * referrer can carry it. Reloading the host page asks for a newly signed address.
 */
export function forgetToken(page: Window): void {
  const url = new URL(page.location.href);
  if (!url.searchParams.has('jwt')) return;
  url.searchParams.delete('jwt');
  page.history.replaceState(page.history.state, '', url);
}

function siteOrigin(page: Window): string {
  const claimed = new URL(page.location.href).searchParams.get('xdm_e') ?? '';
  try {
    return new URL(claimed).origin;
  } catch {
    return page.location.origin;
  }
}

/** `site` comes from the address, which the backend verified before it served the page. */
export function readPage(root: HTMLElement, page: Window): PageStart {
  const { view, spaceId, spaceKey, contentId } = root.dataset;
  return {
    view: VIEWS.find((known) => known === view) ?? 'questions',
    context: {
      site: siteOrigin(page),
      spaceId: spaceId || null,
      spaceKey: spaceKey || null,
      contentId: contentId || null,
    },
  };
}

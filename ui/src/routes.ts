/** The views of one frame and how the host's history names them. */
import type { PageStart } from './host/page';

export type Route =
  | { readonly view: 'questions' }
  | { readonly view: 'question'; readonly id: string }
  | { readonly view: 'ask' }
  | { readonly view: 'admin' };

export function startRoute({ view, context }: PageStart): Route {
  if (view !== 'question') return { view };
  return context.contentId ? { view, id: context.contentId } : { view: 'questions' };
}

/** Made of letters, digits and a dash only, because hosts differ in what they escape. */
export function stateFor(route: Route): string {
  return route.view === 'question' ? `question-${route.id}` : route.view;
}

/** Null for a state that is not ours: the page then stays where it is. */
export function routeFor(state: string): Route | null {
  if (state === 'questions' || state === 'ask') return { view: state };
  const id = /^question-(\d{1,20})$/.exec(state)?.[1];
  return id ? { view: 'question', id } : null;
}

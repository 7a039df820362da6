/** `AP.history` as a `HostHistory`; it is offered to full pages only. */
import type { ApHistory } from './ap';
import type { HostHistory } from './bridge';

function bare(state: string): string {
  return state.replace(/^#?!?/, '');
}

/** Hosts hand over the state itself or the addresses before and after (`#!state`). */
export function stateOf(event: unknown): string {
  if (typeof event === 'string') return bare(event);
  if (typeof event !== 'object' || event === null) return '';
  const { state, hash, newURL } = event as Record<string, unknown>;
  for (const candidate of [state, hash]) {
    if (typeof candidate === 'string') return bare(candidate);
  }
  if (typeof newURL !== 'string') return '';
  const mark = newURL.indexOf('#!');
  return mark < 0 ? '' : newURL.slice(mark + 2);
}

/**
 * The bridge calls a callback once and forgets it, so each call registers the next one. A host that
 * keeps callbacks would call all of them: only the newest registration counts.
 */
function listen(history: ApHistory, listener: (state: string) => void): () => void {
  let newest = 0;
  let stopped = false;
  const register = () => {
    const mine = ++newest;
    history.popState((event) => {
      if (stopped || mine !== newest) return;
      register();
      listener(stateOf(event));
    });
  };
  register();
  return () => {
    stopped = true;
  };
}

/** How long a host may take to tell its state before the page starts without one. */
const STATE_WAIT_MS = 1_000;

export function connectHistory(history: ApHistory): HostHistory {
  return {
    push: (state) => history.pushState(state),
    replace: (state) => history.replaceState(state),
    current: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(''), STATE_WAIT_MS);
        history.getState('hash', (state) => {
          clearTimeout(timer);
          resolve(stateOf(state));
        });
      }),
    onChange: (listener) => listen(history, listener),
  };
}

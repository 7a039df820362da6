/** Which view is shown; kept in step with the host's history where there is one. */
import { useCallback, useEffect, useState } from 'react';

import type { HostHistory } from './host/bridge';
import { type Route, routeFor, stateFor } from './routes';

/** `isReplacing` leaves no way back to the view before, as after a form that has been sent. */
export type Go = (route: Route, isReplacing?: boolean) => void;

export function useRoute(
  history: HostHistory | null,
  start: Route,
): readonly [Route, Go] {
  const [route, setRoute] = useState(start);

  useEffect(() => {
    if (!history) return undefined;
    let isCurrent = true;
    // A reloaded host page comes back with the state that was last pushed.
    void history.current().then((state) => {
      const kept = routeFor(state);
      if (isCurrent && kept) setRoute(kept);
    });
    const stop = history.onChange((state) => setRoute(routeFor(state) ?? start));
    return () => {
      isCurrent = false;
      stop();
    };
  }, [history, start]);

  const go = useCallback(
    (next: Route, isReplacing = false) => {
      if (isReplacing) history?.replace(stateFor(next));
      else history?.push(stateFor(next));
      setRoute(next);
    },
    [history],
  );
  return [route, go];
}

/** Loads one thing for a component: loading, ready or failed, with a way to try again. */
import { useCallback, useEffect, useState } from 'react';

import { asFailure, type Failure } from './problem';

export interface Loaded<Value> {
  readonly data: Value | null;
  readonly failure: Failure | null;
  readonly isLoading: boolean;
  readonly reload: () => void;
  /** Changes what was loaded, for example after a vote; does nothing while there is nothing. */
  readonly update: (change: (value: Value) => Value) => void;
}

interface Settled<Value> {
  readonly load: () => Promise<Value>;
  readonly attempt: number;
  readonly data: Value | null;
  readonly failure: Failure | null;
}

/** `load` must keep its identity (`useCallback`): a new identity means another thing to load. */
export function useLoad<Value>(load: () => Promise<Value>): Loaded<Value> {
  const [attempt, setAttempt] = useState(0);
  const [settled, setSettled] = useState<Settled<Value> | null>(null);

  useEffect(() => {
    let isCurrent = true;
    const settle = (data: Value | null, failure: Failure | null) => {
      if (isCurrent) setSettled({ load, attempt, data, failure });
    };
    load().then(
      (data) => settle(data, null),
      (reason: unknown) => settle(null, asFailure(reason)),
    );
    return () => {
      isCurrent = false;
    };
  }, [load, attempt]);

  const reload = useCallback(() => setAttempt((last) => last + 1), []);
  const update = useCallback((change: (value: Value) => Value) => {
    setSettled((last) => (last?.data ? { ...last, data: change(last.data) } : last));
  }, []);

  const isCurrent = settled?.load === load && settled.attempt === attempt;
  // While the same thing loads again, what is already known stays on the page.
  const data = settled?.load === load ? settled.data : null;
  return { data, failure: isCurrent ? settled.failure : null, isLoading: !isCurrent, reload, update };
}

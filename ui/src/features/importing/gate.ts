/** Lets a long run be paused, taken up again, and ended between two of its steps. */

export class Stopped extends Error {
  override readonly name = 'Stopped';
}

export interface Gate {
  readonly pause: () => void;
  readonly resume: () => void;
  readonly stop: () => void;
  /** Resolves while the gate is open, waits while it is paused, rejects with `Stopped` when it is stopped. */
  readonly passage: () => Promise<void>;
}

export type GateState = 'open' | 'paused' | 'stopped';

export function createGate(onChange: (state: GateState) => void = () => undefined): Gate {
  let state: GateState = 'open';
  let waiting: (() => void)[] = [];
  const turn = (next: GateState) => {
    if (state === 'stopped' || state === next) return;
    state = next;
    onChange(state);
    if (state === 'paused') return;
    const released = waiting;
    waiting = [];
    released.forEach((release) => release());
  };
  return {
    pause: () => turn('paused'),
    resume: () => turn('open'),
    stop: () => turn('stopped'),
    passage: async () => {
      while (state === 'paused') await new Promise<void>((resolve) => waiting.push(resolve));
      // Read anew: the loop above may have waited for hours.
      if ((state as GateState) === 'stopped') throw new Stopped('The import was stopped.');
    },
  };
}

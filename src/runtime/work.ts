// When an instance counts as working. A stream of short executions is one stay in `executing`, not one for each.
import type { Deadlines } from './deadlines.ts';

/** How long nothing may be in flight before the work counts as finished, in ms. */
const QUIET_MS = 1;

export interface Work {
  /** An execution has come. */
  begin(): void;
  /** The last one in flight has ended. */
  rest(): void;
  /** After a loss the chart is back in `ready`, whatever was going on: it is told anew. */
  reset(): void;
  /** Nobody wants to know any more. */
  close(): void;
}

export function createWork(deadlines: Deadlines, inFlight: () => number, tell: (happened: 'begun' | 'finished') => void): Work {
  let working = false;
  let resting = false;
  let begun = 0;
  let closed = false;

  const rest = (): void => {
    if (!working || resting) return;
    resting = true;
    const before = begun;
    deadlines.add(QUIET_MS, () => {
      resting = false;
      if (!working || closed || inFlight() > 0) return;
      // Something came and went meanwhile: not quiet yet.
      if (begun !== before) return rest();
      working = false;
      tell('finished');
    });
  };
  const begin = (): void => {
    begun += 1;
    if (working) return;
    working = true;
    tell('begun');
  };

  return {
    begin,
    rest,
    reset() {
      working = false;
      if (inFlight() > 0) begin();
    },
    close() {
      closed = true;
    },
  };
}

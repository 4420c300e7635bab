// When an instance counts as executing. A stream of short executions is one stay in `executing`, not one for each.
import type { Deadlines } from '../world/deadlines.ts';

/**
 * How long nothing may be in flight before the instance counts as idle, in ms. While requests follow one another, one timer expires per
 * QUIET_MS; with a shorter time these timers would cost more than the requests.
 */
export const QUIET_MS = 20;

export interface Activity {
  /** An execution was taken. */
  begin(): void;
  /** The last one in flight has ended. */
  idle(): void;
  /**
   * A session was opened, perhaps after a loss. The chart is now in `ready` or `draining`, whatever is in flight, so the activity is
   * reported again.
   */
  reset(): void;
  /** Ends the reports. */
  close(): void;
}

export function createActivity(deadlines: Deadlines, inFlight: () => number, changed: (to: 'begun' | 'finished') => void): Activity {
  let isActive = false;
  let isWaiting = false;
  let isClosed = false;
  let begun = 0;
  let begunBefore = 0;

  const quiet = {
    expire(): void {
      isWaiting = false;
      if (!isActive || isClosed || inFlight() > 0) return;
      // One came and went meanwhile: not quiet yet.
      if (begun !== begunBefore) return idle();
      isActive = false;
      changed('finished');
    },
  };
  const idle = (): void => {
    if (!isActive || isWaiting) return;
    isWaiting = true;
    begunBefore = begun;
    deadlines.add(QUIET_MS, quiet);
  };
  const begin = (): void => {
    begun += 1;
    if (isActive) return;
    isActive = true;
    changed('begun');
  };

  return {
    begin,
    idle,
    reset() {
      const wasActive = isActive;
      isActive = false;
      if (inFlight() > 0) begin();
      // A chart that drains waits for it. Any other one is in `ready`, and ignores it.
      else if (wasActive) changed('finished');
    },
    close() {
      isClosed = true;
    },
  };
}

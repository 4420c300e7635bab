// The agent's time and randomness: the only file of src/agent that sets a timer.
import { realClock, type Timer } from '../world/clock.ts';
import { realRandom } from '../world/random.ts';

export const clock = realClock;
export const { fraction, id } = realRandom;

/** One timer that is set anew each time. */
export function alarm(): { set(ms: number, run: () => void): void; clear(): void } {
  let timer: Timer | null = null;
  const clear = (): void => {
    if (timer !== null) clock.clearTimeout(timer);
    timer = null;
  };
  return {
    clear,
    set(ms, run) {
      clear();
      timer = clock.setTimeout(() => {
        timer = null;
        run();
      }, ms);
    },
  };
}

/** Runs once everything that has arrived in this turn was handled. */
export const soon = (run: () => void): void => void setImmediate(run);

/** Ends the process after so many ms, if anything still holds it by then. */
export function endProcessAfter(ms: number, exitCode: number): void {
  setTimeout(() => process.exit(exitCode), ms).unref();
}

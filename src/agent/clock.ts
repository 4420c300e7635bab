// Time and randomness of an agent. No other file of src/agent sets a timer.
import { type Clock, realClock, type Timer } from '../world/clock.ts';
import { realRandom } from '../world/random.ts';

export const clock = realClock;
export const { fraction, id } = realRandom;
/** 32 random bytes as hex. */
export const nonce = (): string => Buffer.from(realRandom.token(), 'base64url').toString('hex');

/** One timer. Setting it again replaces the earlier time. */
export function alarm(clock: Clock = realClock): { set(ms: number, run: () => void): void; clear(): void } {
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

/** Runs after everything that has arrived in this turn of the event loop. */
export const defer = (run: () => void): void => void setImmediate(run);

/** Runs after `ms`, unless the process has ended by itself before. */
export const laterUnlessEnded = (run: () => void, ms: number): void => void setTimeout(run, ms).unref();

/** Exits after `ms`, if the process has not ended by itself before. */
export function exitProcessAfter(ms: number, exitCode: number): void {
  setTimeout(() => process.exit(exitCode), ms).unref();
}

// A clock that a test moves by hand. Timers run when their time has passed, the earliest first.
import type { Clock } from '../../src/world/clock.ts';

export interface HandClock extends Clock {
  /** Moves on by so many ms, and runs what is due on the way. */
  pass(ms: number): void;
  /** Moves on, as while the program is busy: what is due waits for the next `pass`. */
  work(ms: number): void;
  /** How long each pending timer has still to wait, in ms. */
  readonly pending: readonly number[];
}

export function handClock(): HandClock {
  let now = 1_000;
  const timers = new Map<object, { at: number; run: () => void }>();
  const first = () => [...timers].sort(([, a], [, b]) => a.at - b.at)[0];
  return {
    now: () => now,
    wall: () => 1_700_000_000_000 + now,
    setTimeout(run, ms) {
      const timer = { id: null };
      timers.set(timer, { at: now + ms, run });
      return timer;
    },
    clearTimeout: timer => void timers.delete(timer),
    pass(ms) {
      const until = now + ms;
      for (let next = first(); next !== undefined && next[1].at <= until; next = first()) {
        timers.delete(next[0]);
        now = Math.max(now, next[1].at);
        next[1].run();
      }
      now = until;
    },
    work(ms) {
      now += ms;
    },
    get pending() {
      return [...timers.values()].map(({ at }) => at - now);
    },
  };
}

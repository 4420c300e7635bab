// A clock that stands still until a test lets the next timer fire.
import type { Clock, Timer } from '../../src/world/clock.ts';

export interface TestClock extends Clock {
  /** Fires the earliest timer and returns how long it ran, in ms; null where none is set. */
  step(): number | null;
  /** Lets so many ms pass. */
  pass(ms: number): void;
}

interface Alarm {
  readonly at: number;
  readonly ms: number;
  readonly run: () => void;
}

export function createTestClock(): TestClock {
  const alarms = new Map<number, Alarm>();
  let now = 1_000;
  let made = 0;
  return {
    now: () => now,
    wall: () => 1_700_000_000_000 + now,
    setTimeout(run, ms) {
      made += 1;
      alarms.set(made, { at: now + ms, ms, run });
      return { id: made };
    },
    clearTimeout: (timer: Timer | undefined) => void alarms.delete(timer?.id as number),
    pass(ms) {
      const until = now + ms;
      while ([...alarms.values()].some(({ at }) => at <= until)) this.step();
      now = until;
    },
    step() {
      let first: [number, Alarm] | null = null;
      for (const entry of alarms) if (first === null || entry[1].at < first[1].at) first = entry;
      if (first === null) return null;
      alarms.delete(first[0]);
      now = Math.max(now, first[1].at);
      first[1].run();
      return first[1].ms;
    },
  };
}

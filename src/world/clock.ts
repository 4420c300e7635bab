// Time behind a small interface, and the real clock. Callers receive the interface, so that a simulated clock can drive
// the same engine. Network and processes have their interfaces in src/transport and src/process.
import { performance } from 'node:perf_hooks';
import { MAX_MS } from '../limits.ts';

export interface Timer {
  readonly id: unknown;
}

/** Durations in ms. `now` is monotonic and starts at an arbitrary point; `wall` is the time of day since 1970. */
export interface Clock {
  now(): number;
  wall(): number;
  /** A time above 2^31 - 1 ms (25 days) ends then. */
  setTimeout(run: () => void, ms: number): Timer;
  clearTimeout(timer: Timer): void;
}

interface RealTimer extends Timer {
  id: NodeJS.Timeout | null;
  immediate: NodeJS.Immediate | null;
}

export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  /**
   * Calls `run` after Node has read what had arrived when the timer was due. After a pause of this process (a long computation,
   * SIGSTOP) Node runs timers before it reads, so an answer that came in time would count as late.
   */
  setTimeout(run, ms) {
    const timer: RealTimer = { id: null, immediate: null };
    timer.id = setTimeout(
      () => {
        timer.immediate = setImmediate(run);
      },
      Math.min(ms, MAX_MS),
    );
    return timer;
  },
  clearTimeout(timer) {
    const { id, immediate } = (timer ?? {}) as Partial<RealTimer>;
    if (id != null) clearTimeout(id);
    if (immediate != null) clearImmediate(immediate);
  },
};

/** A time of day as ISO 8601, in UTC. */
export const iso = (wall: number): string => new Date(wall).toISOString();

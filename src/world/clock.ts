// Time behind a small interface, and the real clock. Callers receive the interface, so that a simulated clock can drive
// the same engine. Network and processes have their interfaces in src/transport and src/process.
import { performance } from 'node:perf_hooks';

export interface Timer {
  readonly id: unknown;
}

/** Durations in ms. `now` is monotonic and starts at an arbitrary point; `wall` is the time of day since 1970. */
export interface Clock {
  now(): number;
  wall(): number;
  setTimeout(run: () => void, ms: number): Timer;
  clearTimeout(timer: Timer): void;
}

export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (run, ms) => ({ id: setTimeout(run, ms) }),
  clearTimeout: timer => clearTimeout(timer?.id as NodeJS.Timeout | undefined),
};

/** A time of day as ISO 8601, in UTC. */
export const iso = (wall: number): string => new Date(wall).toISOString();

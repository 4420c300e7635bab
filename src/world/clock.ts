// Time and chance behind small interfaces, and the real ones. Whoever needs them is given them, so that a simulated
// world can run the same engine. Network and processes have their interfaces in src/transport and src/process.
import { randomBytes, randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';

export interface Timer {
  readonly id: unknown;
}

/** Durations in ms. `now` is monotonic and has no meaning of its own; `wall` is the time of day since 1970. */
export interface Clock {
  now(): number;
  wall(): number;
  setTimeout(run: () => void, ms: number): Timer;
  clearTimeout(timer: Timer): void;
}

export interface Chance {
  /** 0 ≤ x < 1, for jitter. */
  fraction(): number;
  /** 256 unpredictable bits as text. */
  token(): string;
  /** A name that nothing else has. */
  id(): string;
}

export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (run, ms) => ({ id: setTimeout(run, ms) }),
  clearTimeout: timer => clearTimeout(timer?.id as NodeJS.Timeout | undefined),
};

/** A time of day as ISO 8601, in UTC. */
export const iso = (wall: number): string => new Date(wall).toISOString();

export const realChance: Chance = {
  fraction: () => Math.random(),
  token: () => randomBytes(32).toString('base64url'),
  id: () => randomUUID(),
};

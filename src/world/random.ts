// Randomness behind a small interface, and the real source. One of the files that touch the world.
import { randomBytes, randomUUID } from 'node:crypto';

export interface Random {
  /** 0 ≤ x < 1, for jitter. */
  fraction(): number;
  /** 256 unpredictable bits as text. */
  token(): string;
  /** A unique name. */
  id(): string;
}

/** Full jitter: a random share of a bound that is `min` at first, doubles with every attempt, and is never above `max`. In ms. */
export const backoffTime = (random: Pick<Random, 'fraction'>, { min, max }: { min: number; max: number }, attempt: number): number =>
  Math.max(1, Math.floor(random.fraction() * Math.min(max, min * 2 ** Math.min(30, attempt - 1))));

export const realRandom: Random = {
  fraction: () => Math.random(),
  token: () => randomBytes(32).toString('base64url'),
  id: () => randomUUID(),
};

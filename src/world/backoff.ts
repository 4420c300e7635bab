// The waits before attempts: restarts of an instance, starts of members of a pool.
import type { Random } from './random.ts';

export interface Backoff {
  /** No wait is shorter than `min` or longer than `max`, in ms. */
  readonly min: number;
  readonly max: number;
  readonly jitter: 'full' | 'equal' | 'none';
}

/**
 * The wait before an attempt (1 is the first), in ms. Its bound is `min` at first, doubles with every attempt, and is never above
 * `max`. With the jitter 'none' the wait is the bound; 'full' spreads the waits between `min` and the bound, and 'equal' over the
 * upper half of the bound, so that programs that have failed together do not start together.
 */
export function backoffTime(random: Pick<Random, 'fraction'>, { min, max, jitter }: Backoff, attempt: number): number {
  const bound = Math.min(max, min * 2 ** Math.min(30, attempt - 1));
  if (jitter === 'none') return bound;
  const floor = jitter === 'full' ? min : Math.max(min, bound / 2);
  return Math.round(floor + random.fraction() * (bound - floor));
}

// How long executions have waited and run, as a distribution, for `stats()` of a pool.
import { createHistogram } from 'node:perf_hooks';

/** How long executions waited or ran, as a distribution. Durations in ms; all are 0 before the first execution. */
export interface Times {
  /** How many executions were measured. */
  readonly count: number;
  /** The mean, in ms. */
  readonly mean: number;
  /** The median, in ms. */
  readonly p50: number;
  /** The 99th percentile, in ms. */
  readonly p99: number;
  /** The longest, in ms. */
  readonly max: number;
}

/** @internal */
export interface TimeRecorder {
  /** A duration in ms. */
  add(ms: number): void;
  times(): Times;
}

/** The histogram counts µs, so that short waits are not rounded to 0. */
const UNIT = 1_000;
/** The longest duration that the histogram can hold, in ms: about 12 days. Longer ones count as this one. */
const MAX_MS = 2 ** 30;

/** @internal */
export function createTimes(): TimeRecorder {
  const histogram = createHistogram({ lowest: 1, highest: MAX_MS * UNIT, figures: 2 });
  const ms = (value: number): number => Math.max(0, Math.round(value) - 1) / UNIT;
  return {
    // A histogram has no 0: every value is one more than measured.
    add: value => histogram.record(Math.min(MAX_MS, Math.max(0, Math.round(value * UNIT))) + 1),
    times() {
      if (histogram.count === 0) return { count: 0, mean: 0, p50: 0, p99: 0, max: 0 };
      const { count, mean, max } = histogram;
      return { count, mean: ms(mean), p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)), max: ms(max) };
    },
  };
}

// What is known of one incarnation of a program while it lasts, for its report.
import type { Rung } from '../../machines/instance.ts';
import type { RunningProgram } from '../process/spawn.ts';
import type { Ending } from '../process/tree.ts';

/** Times are the clock's. */
export interface Run {
  program: RunningProgram | null;
  /** Has it had a session? The next one is a reconnect. */
  hadSession: boolean;
  spawnedAt: number | null;
  exitedAt: number | null;
  /** When it first had to end, and each rung of that, in ms from then. */
  endingSince: number | null;
  readonly rungs: Partial<Record<Rung, number>>;
  /** The most that was measured, in bytes. */
  peakMemory: number | null;
  /** What was left of its tree; null until that is known. */
  ending: Ending | null;
}

export const newRun = (): Run => ({
  program: null,
  hadSession: false,
  spawnedAt: null,
  exitedAt: null,
  endingSince: null,
  rungs: {},
  peakMemory: null,
  ending: null,
});

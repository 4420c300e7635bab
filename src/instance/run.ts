// What is known of one incarnation of a program while it lasts, for its report.
import type { StopStage } from '../../machines/instance.ts';
import type { RunningProgram } from '../process/program.ts';
import type { Ending } from '../process/tree/tree.ts';
import type { Exit } from '../world/exit.ts';

/** Times are the clock's. */
export interface Run {
  program: RunningProgram | null;
  /** Has it had a session? The next one is a reconnect. */
  hadSession: boolean;
  spawnedAt: number | null;
  exitedAt: number | null;
  exit: Exit | null;
  /** When the program first had to end, and when each stop stage was reached, in ms from then. */
  endingSince: number | null;
  readonly stopStages: Partial<Record<StopStage, number>>;
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
  exit: null,
  endingSince: null,
  stopStages: {},
  peakMemory: null,
  ending: null,
});

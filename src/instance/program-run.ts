// Facts about the program of one incarnation, for its ExitReport.
import type { StopStage } from '../../machines/instance-types.ts';
import type { RunningProgram } from '../process/program.ts';
import type { Ending } from '../process/tree/tree.ts';
import type { Exit } from '../world/exit.ts';

/** Times are those of the monotonic clock, in ms. */
export interface ProgramRun {
  program: RunningProgram | null;
  /** Whether a session was open before: then the next one is a reconnect. */
  hadSession: boolean;
  spawnedAt: number | null;
  exitedAt: number | null;
  exit: Exit | null;
  /** When the program first had to end, and when each stop stage was reached, in ms after that. */
  endingSince: number | null;
  /** When the grace period of the last stop began. */
  graceSince: number | null;
  readonly stopStages: Partial<Record<StopStage, number>>;
  /** The highest measurement, in bytes. Null: none was made. */
  peakMemory: number | null;
  /** What the effect that failed has thrown: an event of the chart has only its code and message. */
  thrown: unknown;
  /** The processes that could not be ended. Null: it is not known yet. */
  ending: Ending | null;
}

export const newRun = (): ProgramRun => ({
  program: null,
  hadSession: false,
  spawnedAt: null,
  exitedAt: null,
  exit: null,
  endingSince: null,
  graceSince: null,
  stopStages: {},
  peakMemory: null,
  thrown: undefined,
  ending: null,
});

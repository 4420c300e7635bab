// The events of `events$`.
import type { PoolState } from '../../machines/public-types.ts';
import type { ExitReport, InstanceState } from '../instance/instance.ts';
import type { LeftoversEnded } from '../journal/stale-state.ts';

/** What happens in a spearlet. `type` tells the events apart. */
export type SpearletEvent =
  | {
      readonly type: 'instance.state';
      /** The instance concerned. */
      readonly instanceId: string;
      /** The name of what it runs. */
      readonly artifactId: string;
      /** The state that it has entered. */
      readonly state: InstanceState;
      /** Which program of the instance it is: 1 for the first one. */
      readonly incarnation: number;
    }
  | {
      readonly type: 'instance.spawned';
      readonly instanceId: string;
      readonly artifactId: string;
      /** The pid of the program. */
      readonly pid: number;
      readonly incarnation: number;
    }
  | {
      /** The agent did not end a cancelled execution within `grace`. */
      readonly type: 'instance.unresponsive';
      readonly instanceId: string;
      readonly artifactId: string;
      /** The execution concerned. */
      readonly taskId: string;
    }
  | {
      /** An incarnation has ended. */
      readonly type: 'instance.exited';
      readonly instanceId: string;
      readonly artifactId: string;
      /** Its report. */
      readonly report: ExitReport;
    }
  | {
      /** The instance failed more often than the restart intensity allows, and is not restarted. `report`: of its last incarnation. */
      readonly type: 'instance.givenUp';
      readonly instanceId: string;
      readonly artifactId: string;
      /** The error code. */
      readonly code: 'RESTART_LIMIT';
      /** The reason in words. */
      readonly message: string;
      readonly report: ExitReport;
    }
  | {
      readonly type: 'pool.state';
      readonly instanceId: null;
      /** The pool concerned. */
      readonly poolId: string;
      readonly artifactId: string;
      readonly state: PoolState;
    }
  | {
      /** More members than the restart intensity allows have failed, and none is left. */
      readonly type: 'pool.givenUp';
      readonly instanceId: null;
      readonly poolId: string;
      readonly artifactId: string;
      readonly code: 'RESTART_LIMIT';
      readonly message: string;
    }
  | {
      /** A connection holds the session, and its agent has used it. */
      readonly type: 'connection.opened';
      readonly instanceId: string;
      /** The id of the connection, as in `stats()` and log lines. */
      readonly connectionId: string;
      /** The address of the other end. */
      readonly peer: string;
    }
  | {
      readonly type: 'connection.closed';
      readonly instanceId: string | null;
      readonly connectionId: string;
      readonly code: string;
      readonly message: string;
    }
  | LeftoversEnded;

// The events of `events$`.
import type { PoolState } from '../../machines/public-types.ts';
import type { ExitReport, InstanceState } from '../instance/instance.ts';
import type { LeftoversEnded } from '../journal/stale-state.ts';

/** What happens in a spearlet. `type` tells the events apart. */
export type SpearletEvent =
  | {
      readonly type: 'instance.state';
      readonly instanceId: string;
      readonly artifactId: string;
      readonly state: InstanceState;
      readonly incarnation: number;
    }
  | {
      readonly type: 'instance.spawned';
      readonly instanceId: string;
      readonly artifactId: string;
      readonly pid: number;
      readonly incarnation: number;
    }
  | { readonly type: 'instance.unresponsive'; readonly instanceId: string; readonly artifactId: string; readonly taskId: string }
  | { readonly type: 'instance.exited'; readonly instanceId: string; readonly artifactId: string; readonly report: ExitReport }
  | {
      /** The instance failed more often than the restart intensity allows, and is not restarted. `report`: of its last incarnation. */
      readonly type: 'instance.givenUp';
      readonly instanceId: string;
      readonly artifactId: string;
      readonly code: 'RESTART_LIMIT';
      readonly message: string;
      readonly report: ExitReport;
    }
  | {
      readonly type: 'pool.state';
      readonly instanceId: null;
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
  | { readonly type: 'connection.opened'; readonly instanceId: string; readonly connectionId: string; readonly peer: string }
  | {
      readonly type: 'connection.closed';
      readonly instanceId: string | null;
      readonly connectionId: string;
      readonly code: string;
      readonly message: string;
    }
  | LeftoversEnded;

// The types of the instance chart: its input, its context, its events, and the commands to its actors.
import type { DoneActorEvent, ErrorActorEvent } from 'xstate';
import type { ExitReason } from './public-types.ts';
import type { SessionReport } from './session.ts';

/** Why an incarnation ends: the first cause counts. A `final` cause is never retried. */
export interface Cause {
  readonly reason: ExitReason;
  readonly code: string;
  readonly message: string;
  readonly final: boolean;
}

export type { StopStage } from './public-types.ts';

export type RestartPolicy = 'permanent' | 'transient' | 'temporary';

export interface InstanceInput {
  readonly instanceId: string;
  /** The id of this actor among the supervisor's children; such ids are used again (see ConnectionName). */
  readonly actorId: string;
  /** An external instance starts no program: an agent connects from outside. */
  readonly external: boolean;
  readonly restart: RestartPolicy;
  /** Whether failures before the first session are followed by a restart. False in the context once there was a session. */
  readonly retryStart?: boolean;
  /** What happens to an agent that does not answer a cancel. */
  readonly onUnresponsive: 'leave' | 'restart';
  /** An instance may fail this many times per restart period; one failure more stops it for good. Infinity: it never gives up. */
  readonly intensity: number;
  /** How long a program may take to connect and authenticate, in ms. */
  readonly connectTimeout: number;
  /** The exit codes that count as a clean end, beside 0. */
  readonly successCodes: readonly number[];
  /** The exit codes after which the program is not started again. */
  readonly neverRestartOn: readonly number[];
  /** The connection ends after this many silent heartbeat intervals in a row (at least 2). */
  readonly misses: number;
  /** The grace period of a program that is ended because of a failure, in ms. A stop brings its own. */
  readonly failureGrace: number;
}

export interface InstanceContext extends InstanceInput {
  /**
   * The policy in effect:
   * - before the first session: `temporary` in the first incarnation; with `retryStart` `permanent` in each;
   * - after a stop: `temporary`;
   * - after restart(), or if an unresponsive agent has to be restarted: `permanent`, until the next incarnation begins;
   * - otherwise: `restart`.
   */
  readonly policy: RestartPolicy;
  readonly incarnation: number;
  /** The connection that holds the session. Null: no session is open. */
  readonly session: string | null;
  readonly cause: Cause | null;
  /** The code with which the last session was lost. */
  readonly lossCode: string | null;
  readonly output: 'open' | 'closed';
  /** The program's processes: the program and all its descendants. */
  readonly tree: 'alive' | 'ended';
  /** How long the program may take to end before SIGKILL, in ms. */
  readonly gracePeriod: number;
  /** Failures within the restart period. */
  readonly failures: number;
  /** Restarts since the program was stable: the backoff grows with this number. */
  readonly attempts: number;
}

export type ListenerCommand = { type: 'bind' } | { type: 'drop'; connectionActorId: string };
/** `signal`: the kill signal of the instance (SIGTERM by default) to every process of the tree; `kill`: SIGKILL. */
export type ProcessCommand = { type: 'spawn' } | { type: 'scan' } | { type: 'signal' } | { type: 'kill' };

/** `status`: the exit code, or 128 + n after a death by signal n. All three are null for an external instance. */
export interface ProcessExit {
  readonly type: 'process.exited';
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly status: number | null;
}

/** `drain`: executions are in flight, and may end first, within the grace period. */
export interface StopRequest {
  readonly type: 'stop';
  readonly grace: number;
  readonly drain?: boolean;
}

export type InstanceEvent =
  | SessionReport
  | DoneActorEvent
  | ErrorActorEvent
  | { type: 'start.granted' }
  | { type: 'listener.bound'; address: string }
  | { type: 'listener.failed'; code: string; message: string }
  | { type: 'socket.accepted'; connectionActorId: string }
  | { type: 'process.failed'; code: string; message: string }
  | ProcessExit
  | { type: 'process.closed' }
  | { type: 'process.ended'; left: number }
  | { type: 'memory.exceeded'; bytes: number; limit: number }
  | { type: 'agent.unresponsive' }
  | { type: 'activity.started' }
  | { type: 'activity.idle' }
  | { type: 'failure.expired' }
  | StopRequest
  | { type: 'restart'; grace: number };

/** What an instance reports to the supervisor. */
export type InstanceReport =
  /** `restart`: an incarnation after the first, and no retry of a first start. */
  { type: 'startSlot.requested'; actorId: string; restart: boolean } | { type: 'startSlot.released'; actorId: string };

// What the instance chart knows and hears: its input, its context, its events, and the commands to its actors.
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
  /** What happens to an agent that does not answer a cancel. */
  readonly onUnresponsive: 'leave' | 'restart';
  /** An instance may fail so many times per restart period; one failure more stops it for good. */
  readonly intensity: number;
  /** How many heartbeats may stay unanswered. */
  readonly misses: number;
  /** The grace period of a program that is ended because of a failure, in ms. A stop brings its own. */
  readonly failureGrace: number;
}

export interface InstanceContext extends InstanceInput {
  /** `temporary` until the first session and after a stop, `permanent` once the agent is unresponsive, else `restart`. */
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

export type ListenerCommand = { type: 'bind' } | { type: 'drop'; connectionId: string };
export type ProcessCommand = { type: 'spawn' } | { type: 'scan' } | { type: 'signal'; signal: 'SIGTERM' | 'SIGKILL' };

export type InstanceEvent =
  | SessionReport
  | DoneActorEvent
  | ErrorActorEvent
  | { type: 'start.granted' }
  | { type: 'listener.bound'; address: string }
  | { type: 'listener.failed'; code: string; message: string }
  | { type: 'socket.accepted'; connectionId: string }
  | { type: 'process.failed'; code: string; message: string; final: boolean }
  | { type: 'process.exited'; exitCode: number | null; signal: string | null }
  | { type: 'process.closed' }
  | { type: 'process.ended'; left: number }
  | { type: 'memory.exceeded'; bytes: number; limit: number }
  | { type: 'agent.unresponsive' }
  | { type: 'activity.started' }
  | { type: 'activity.idle' }
  | { type: 'failure.expired' }
  | { type: 'stop'; grace: number };

/** What an instance reports to the supervisor. */
export type InstanceReport = { type: 'instance.queued'; actorId: string } | { type: 'instance.settled'; actorId: string };

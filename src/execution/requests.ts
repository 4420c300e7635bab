// What the request table of an instance offers, and what it needs. Types only; request-table.ts is the table.
import type { HostChannel } from '../connection/channel.ts';
import type { SpearletError } from '../errors.ts';
import type { ExecuteOptions, ExecuteRequestInput, ParsedExecuteOptions, ParsedOptions, ParsedRequest } from '../option-schemas.ts';
import type { ExecuteResponse, U64 } from '../protocol/message.ts';
import type { Deadlines } from '../world/deadlines.ts';
import type { ActiveExecution } from './active-execution.ts';
import type { ExecutionCounts } from './counts.ts';

export interface RequestTable {
  inFlight(): number;
  readonly counts: ExecutionCounts;
  execute(request: ExecuteRequestInput, options?: ExecuteOptions): ActiveExecution;
  /** The same for a request that was checked already. */
  executeParsed(request: ParsedRequest, options: ParsedExecuteOptions): ActiveExecution;
  /** For an execution that was cancelled or timed out: resolves when its agent works on it no more. Null: the agent does not work on it. */
  working(requestId: U64): Promise<void> | null;
  /** Tells the agent something that is not an execution. Throws NOT_DELIVERED without a session. */
  signal(data: string): void;
  /** Throws PROTOCOL_ERROR. */
  executeResponse(requestId: U64, response: ExecuteResponse): void;
  /**
   * A connection holds the session: the requests that waited are sent. On wire v2 it may resume what the last one has kept. `features`:
   * what the agent has announced.
   */
  attach(channel: HostChannel, features: readonly string[]): void;
  /** The session is lost, for this cause: executions that were sent wait for a response on the next session. */
  detach(cause: SpearletError | undefined): void;
  /** The program is asked to end, and another one will follow: new requests wait for it, those in flight may still be answered. */
  defer(): void;
  /** The program is gone, or has begun a new epoch: the executions that it was given have an unknown outcome. */
  epochEnded(why: string, cause: unknown): void;
  /** No new execution is taken; those in flight may still be answered. */
  close(why: string, cause: unknown): void;
  /** Nothing is sent or answered any more: the executions that are left settle. */
  end(): void;
}

export interface RequestTableOwner {
  readonly instanceId: string;
  readonly artifactId: string;
  readonly timeout: number | undefined;
  /** The most executions that the agent gets at a time. Undefined: no bound. */
  readonly maxConcurrency?: number | undefined;
  readonly options: Pick<ParsedOptions, 'maxInFlight' | 'maxQueuedBytes' | 'maxFrameBytes' | 'grace'>;
  readonly deadlines: Deadlines;
  /** How long an execution waits for a response after its connection was lost, in ms. */
  readonly reconnectWindow: number;
  /** The instance has become active or idle. */
  activity(change: 'begun' | 'finished'): void;
  /** The agent was told to cancel this execution, and has sent no terminal response within `grace`. */
  unresponsive(taskId: string): void;
  /** A subscriber of `updates$` has thrown. */
  subscriberThrew(error: unknown): void;
}

// The public types of an instance: its states, its handle, and the report about the end of an incarnation.
import type { Observable } from 'rxjs';
import type { ExitReason, StopStage } from '../../machines/public-types.ts';
import type { Execution } from '../execution/execution.ts';
import type { CallOptions, ExecuteOptions, ExecuteRequestInput } from '../options/execution.ts';
import type { InstanceStopOptions, RestartOptions } from '../options/instance.ts';
import type { Containment } from '../process/containment/containment.ts';
import type { OutputChunk } from '../process/output/output.ts';

/**
 * The state of an instance. It waits for its start (`'allocating'`) and for its program (`'listening'`, `'authenticating'`), takes
 * executions (`'ready'`, `'executing'`), waits for its agent to come back (`'reconnecting'`), for a restart (`'backoff'`), or for its
 * processes to end (`'stopping'`, `'stopped'`).
 */
export type InstanceState =
  | 'allocating'
  | 'listening'
  | 'authenticating'
  | 'ready'
  | 'executing'
  | 'reconnecting'
  | 'backoff'
  | 'stopping'
  | 'stopped';

const instanceStates = {
  allocating: true,
  listening: true,
  authenticating: true,
  ready: true,
  executing: true,
  reconnecting: true,
  backoff: true,
  stopping: true,
  stopped: true,
} satisfies Record<InstanceState, true>;

/** The report about the end of one incarnation. */
export interface ExitReport {
  /** The id of the instance. */
  readonly instanceId: string;
  /** The name of what ran, as in the spec. */
  readonly artifactId: string;
  /** Which program of the instance it was: 1 for the first one. */
  readonly incarnation: number;
  /** The pid of the program; null where none was running. */
  readonly pid: number | null;
  /** The program's exit code; null where a signal killed the program, or none was running. */
  readonly code: number | null;
  /** The signal that killed the program, like `SIGKILL`; null where none did. */
  readonly signal: string | null;
  /** Why the incarnation ended. */
  readonly reason: ExitReason;
  /** The reason in words. */
  readonly message: string;
  /** From spawn to exit, in ms. */
  readonly uptime: number;
  /** The last stop stage that was reached; null where the program ended by itself, or none was running. */
  readonly stopStage: StopStage | null;
  /** When each stop stage was reached, in ms since the program had to end. */
  readonly stopStages: Readonly<Partial<Record<StopStage, number>>>;
  /**
   * The highest measured memory of the process tree, in bytes: sampled where there is a `maxMemory`, else measured once, before
   * a stop. Null where the program had ended before a measurement.
   */
  readonly peakMemory: number | null;
  /** Processes of the tree that could not be ended and still live; normally none. */
  readonly left: readonly { readonly pid: number; readonly command: string }[];
  /** The last 20 lines of the program's stderr. */
  readonly stderr: string;
  /** Bytes that the program wrote to stdout and stderr together. */
  readonly outputBytes: number;
  /** How many of these bytes were not kept. */
  readonly droppedBytes: number;
}

/** A running program, or one that is restarted: it takes executions until it is stopped or given up. */
export interface Instance {
  /** The id of the instance: `artifactId`, and what makes it unique. */
  readonly id: string;
  /** The name of what runs, as in the spec. */
  readonly artifactId: string;
  /** The pid of the program; null before its start, and for an external instance. */
  readonly pid: number | null;
  /** The address of the listener, as `host:port` or as `unix:…`, `ws://…`, `fd:3`; null before it is open. */
  readonly address: string | null;
  /** 1 for the first program; each restart adds 1. */
  readonly incarnation: number;
  /** How the processes of the tree are kept together. */
  readonly containment: Containment;
  /** The state now. */
  readonly state: InstanceState;
  /** The current state first, then every change; completes after `stopped`. */
  readonly state$: Observable<InstanceState>;
  /** First the kept tail of the output (64 KiB), then new output. A chunk with `droppedBytes` stands for missing bytes. */
  readonly output$: Observable<OutputChunk>;
  /** Executes a request, with outputs as Buffers. Everything else is as below. */
  execute(request: ExecuteRequestInput, options: ExecuteOptions & { readonly encoding: 'buffer' }): Execution<Buffer>;
  /**
   * Executes a request. It returns at once and never throws: `result` rejects with SpearletError. Where no session is open, the
   * execution waits for one, within its timeout. Codes: INVALID_OPTIONS, EXECUTION_FAILED, EXECUTION_TIMEOUT, CANCELLED,
   * OVERLOADED, FRAME_TOO_LARGE, UNSUPPORTED, NOT_DELIVERED, OUTCOME_UNKNOWN, INSTANCE_STOPPED.
   */
  execute(request: ExecuteRequestInput, options?: ExecuteOptions): Execution;
  /**
   * Calls a handler of the agent that was made with `handler(schema, fn)` of `spearlet/agent`, or any that reads JSON in its first
   * argument and answers JSON. Resolves with the result. Rejects as `execute()` does, with INVALID_ARGUMENT where the argument cannot
   * be converted to JSON or the agent's schema refuses it, and with INVALID_RESULT where the result is not JSON or `options.result`
   * refuses it: both have `issues`.
   */
  call<Result = unknown>(name: string, argument?: unknown, options?: CallOptions<Result>): Promise<Result>;
  /**
   * Sends a Signal to the agent's `onSignal`. Throws NOT_DELIVERED where no session is open, FRAME_TOO_LARGE for a text that may
   * need more than `maxFrameBytes` as a frame (up to 4 times its bytes), OVERLOADED beyond `maxQueuedBytes`.
   */
  send(data: string): void;
  /**
   * Asks the agent to end at once, sends SIGTERM (or `killSignal`) to the whole tree after min(grace / 2, 1 s), and SIGKILL after
   * `grace` (ms). With `drain` the executions in flight may end before the agent is asked: SIGTERM waits for the last one, or until
   * min(grace / 2, 1 s) before SIGKILL. Resolves when no process of the tree lives, with the report of the last incarnation. Throws
   * INVALID_OPTIONS only.
   */
  stop(options?: InstanceStopOptions): Promise<ExitReport>;
  /**
   * Ends the program as `stop()` does, and starts it again at once, whatever the restart policy is. It is no failure: it does not
   * count for the restart intensity. The agent may answer what is in flight within `grace` (ms; default: that of its options);
   * executions that come meanwhile wait for the new program. In backoff the wait ends at once, and a program that is not ready yet is
   * ended, too; where none is started yet, or an end is under way already, it only waits. Resolves when the new program is ready.
   * Rejects with INSTANCE_STOPPED where the instance is stopped, or ends instead; with INVALID_OPTIONS for an instance of `expect()`,
   * whose program the host cannot start.
   */
  restart(options?: RestartOptions): Promise<void>;
  /** `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** Resolves with the last report, when the instance is not restarted any more. */
  readonly exited: Promise<ExitReport>;
}

/**
 * Whether an instance in this state executes what it is given at once: its session is open.
 * @internal
 */
export const executesAtOnce = (state: InstanceState): boolean => state === 'ready' || state === 'executing';

/**
 * The public state for a state value of the chart: the innermost part that has a public name.
 * @internal
 */
export function stateOf(value: unknown): InstanceState {
  let state: InstanceState = 'allocating';
  for (let at: unknown = value; at !== undefined; ) {
    const key = typeof at === 'string' ? at : Object.keys(at as object)[0]!;
    if (Object.hasOwn(instanceStates, key)) state = key as InstanceState;
    else if (key === 'exiting' || key === 'ended') state = 'stopping';
    else if (key === 'failed' || key === 'restarting') state = 'backoff';
    at = typeof at === 'string' ? undefined : (at as Record<string, unknown>)[key];
  }
  return state;
}

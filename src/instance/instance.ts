// The public types of an instance: its states, its handle, and the report about the end of an incarnation.
import type { Observable } from 'rxjs';
import type { Cause, StopStage } from '../../machines/instance-types.ts';
import type { CallOptions } from '../execution/call.ts';
import type { Execution } from '../execution/execution.ts';
import type { ExecuteOptions, ExecuteRequestInput, InstanceStopOptions, RestartOptions } from '../options.ts';
import type { Containment } from '../process/containment/containment.ts';
import type { OutputChunk } from '../process/output/output.ts';

const instanceStates = [
  'allocating',
  'listening',
  'authenticating',
  'ready',
  'executing',
  'reconnecting',
  'backoff',
  'stopping',
  'stopped',
] as const;
export type InstanceState = (typeof instanceStates)[number];

/** The report about the end of one incarnation. */
export interface ExitReport {
  readonly instanceId: string;
  readonly artifactId: string;
  readonly incarnation: number;
  readonly pid: number | null;
  /** The program's exit code; null where a signal killed the program, or none was running. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: Cause['reason'];
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
  /** Bytes of stdout and stderr together, and how many of them were dropped. */
  readonly outputBytes: number;
  readonly droppedBytes: number;
}

export interface Instance {
  readonly id: string;
  readonly artifactId: string;
  /** The pid of the program; null before its start, and for an external instance. */
  readonly pid: number | null;
  /** The address of the listener, as `host:port`; null before it is open. */
  readonly address: string | null;
  /** 1 for the first program; each restart adds 1. */
  readonly incarnation: number;
  /** How the processes of the tree are kept together. */
  readonly containment: Containment;
  readonly state: InstanceState;
  /** The current state first, then every change; completes after `stopped`. */
  readonly state$: Observable<InstanceState>;
  /** First the kept tail of the output (64 KiB), then new output. A chunk with `droppedBytes` stands for missing bytes. */
  readonly output$: Observable<OutputChunk>;
  execute(request: ExecuteRequestInput, options: ExecuteOptions & { readonly encoding: 'buffer' }): Execution<Buffer>;
  execute(request: ExecuteRequestInput, options?: ExecuteOptions): Execution;
  /**
   * Calls a handler of the agent that was made with `handler(schema, fn)` of `spearlet/agent`, or any that reads JSON in its first
   * argument and answers JSON. Resolves with the result. Rejects as `execute()` does, with INVALID_ARGUMENT where the argument cannot
   * be said as JSON or the agent's schema refuses it, and with INVALID_RESULT where the result is not JSON or `options.result`
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
   * `grace`. With `drain` the executions in flight may end before the agent is asked: SIGTERM waits for the last one, or until
   * min(grace / 2, 1 s) before SIGKILL. Resolves when no process of the tree lives.
   */
  stop(options?: InstanceStopOptions): Promise<ExitReport>;
  /**
   * Ends the program as `stop()` does, and starts it again at once, whatever the restart policy is. It is no failure: it does not
   * count for the restart intensity. The agent may answer what is in flight within `grace` (ms; default: that of its options);
   * executions that come meanwhile wait for the new program. In backoff the wait ends at once; where a start or an end is under way
   * already, it only waits. Resolves when the new program is ready. Rejects with INSTANCE_STOPPED where the instance is stopped, or
   * ends instead; with INVALID_OPTIONS for an instance of `expect()`, whose program the host cannot start.
   */
  restart(options?: RestartOptions): Promise<void>;
  /** `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** Resolves with the last report, when the instance is not restarted any more. */
  readonly exited: Promise<ExitReport>;
}

/** The public state for a state value of the chart: the innermost part that has a public name. */
export function stateOf(value: unknown): InstanceState {
  let state: InstanceState = 'allocating';
  for (let at: unknown = value; at !== undefined; ) {
    const key = typeof at === 'string' ? at : Object.keys(at as object)[0]!;
    if ((instanceStates as readonly string[]).includes(key)) state = key as InstanceState;
    else if (key === 'exiting' || key === 'ended') state = 'stopping';
    else if (key === 'failed' || key === 'restarting') state = 'backoff';
    at = typeof at === 'string' ? undefined : (at as Record<string, unknown>)[key];
  }
  return state;
}

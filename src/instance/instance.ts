// What a caller knows of an instance: its states, the handle that it holds, and the report of an incarnation that has ended.
import type { Observable } from 'rxjs';
import type { Cause, StopStage } from '../../machines/instance-types.ts';
import type { Execution } from '../execution/execution.ts';
import type { ExecuteOptions, ExecuteRequestInput, StopOptions } from '../options.ts';
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

/** The end of one incarnation. */
export interface ExitReport {
  readonly instanceId: string;
  readonly artifactId: string;
  readonly incarnation: number;
  readonly pid: number | null;
  /** The program's exit code; null where a signal ended it, or where none was running. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: Cause['reason'];
  readonly message: string;
  /** From spawn to exit, in ms. */
  readonly uptime: number;
  /** The last stop stage that was reached; null where the program ended by itself, or where there was no program. */
  readonly stopStage: StopStage | null;
  /** When each stop stage was reached, in ms since the program had to end. */
  readonly stopStages: Readonly<Partial<Record<StopStage, number>>>;
  /**
   * The most memory its processes were seen to use, in bytes: sampled where there is a `maxMemory`, else measured once, when
   * it had to end. Null where that was too late.
   */
  readonly peakMemory: number | null;
  /** What of its processes could not be ended and lives on; there should be none. */
  readonly left: readonly { readonly pid: number; readonly command: string }[];
  /** The last 20 lines of what it wrote to stderr. */
  readonly stderr: string;
  /** Bytes of stdout and stderr together, and how many of them were not kept. */
  readonly outputBytes: number;
  readonly droppedBytes: number;
}

export interface Instance {
  readonly id: string;
  readonly artifactId: string;
  /** Of the program; null before it is started and for an external one. */
  readonly pid: number | null;
  /** Where its listener waits, as `host:port`. */
  readonly address: string | null;
  /** 1 for the first program, one more for each restart. */
  readonly incarnation: number;
  /** What holds its processes together. */
  readonly containment: Containment;
  readonly state: InstanceState;
  /** The current state first, then every change; completes after `stopped`. */
  readonly state$: Observable<InstanceState>;
  /** The kept end of what its program wrote (64 KiB), then live. A chunk with `droppedBytes` marks what is missing there. */
  readonly output$: Observable<OutputChunk>;
  execute(request: ExecuteRequestInput, options: ExecuteOptions & { readonly encoding: 'buffer' }): Execution<Buffer>;
  execute(request: ExecuteRequestInput, options?: ExecuteOptions): Execution;
  /**
   * A Signal for the agent's `onSignal`. Throws NOT_DELIVERED where no session is open, FRAME_TOO_LARGE for a text that may
   * need more than `maxFrameBytes` as a frame (up to 4 times its bytes), OVERLOADED beyond `maxQueuedBytes`.
   */
  send(data: string): void;
  /** Ends it: asked at 0, SIGTERM at min(grace / 2, 1 s), SIGKILL of all its processes at grace. Resolves when none lives. */
  stop(options?: StopOptions): Promise<ExitReport>;
  /** The last report, after which nothing restarts. */
  readonly exited: Promise<ExitReport>;
}

/** The state as the contract names it, out of a nested state value. */
export function stateOf(value: unknown): InstanceState {
  let state: InstanceState = 'allocating';
  for (let at: unknown = value; at !== undefined; ) {
    const key = typeof at === 'string' ? at : Object.keys(at as object)[0]!;
    if ((instanceStates as readonly string[]).includes(key)) state = key as InstanceState;
    else if (key === 'exiting' || key === 'ended') state = 'stopping';
    else if (key === 'failed') state = 'backoff';
    at = typeof at === 'string' ? undefined : (at as Record<string, unknown>)[key];
  }
  return state;
}

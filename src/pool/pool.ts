// The public types of a pool: its handle, and its numbers.
import type { PoolState } from '../../machines/public-types.ts';
import type { Execution } from '../execution/execution.ts';
import type { Instance } from '../instance/instance.ts';
import type { PoolExplanation, PoolFacts } from '../observe/pool-explanation.ts';
import type { ExecuteRequestInput } from '../options/execution.ts';
import type { PoolCallOptions, PoolExecuteOptions, PoolStopOptions } from '../options/pool.ts';
import type { Times } from './times.ts';

/** How many executions of a pool there were, and how they ended. */
export interface WorkCounts {
  /** Executions that were taken. */
  executions: number;
  /** Executions whose `result` has resolved. */
  completed: number;
  /** Executions whose `result` has rejected. */
  failed: number;
  /** Executions that were refused with OVERLOADED. */
  refused: number;
  /** Runs after the first of an execution. */
  retries: number;
}

/** The numbers of a pool since it was opened. */
export interface PoolStats extends Omit<PoolFacts, 'failure'>, Readonly<WorkCounts> {
  /** From `execute()` until a member was given the execution, in ms. */
  readonly waitTime: Times;
  /** From then until the execution has ended, in ms. */
  readonly runTime: Times;
}

/** Instances of one program that share executions. */
export interface Pool {
  /** The id of the pool, for `explain()` and events. */
  readonly id: string;
  /** The name of what its members run, as in the spec. */
  readonly artifactId: string;
  /** The state now. */
  readonly state: PoolState;
  /** Every member that has become ready and has not ended. */
  readonly members: readonly Instance[];
  /** Resolves when `min` members are ready. Rejects with the failure of the first member that fails before: then the pool ends. */
  readonly ready: Promise<void>;
  /** Executes a request on a member, with outputs as Buffers. Everything else is as below. */
  execute(request: ExecuteRequestInput, options: PoolExecuteOptions & { readonly encoding: 'buffer' }): Execution<Buffer>;
  /**
   * Gives the execution to the least loaded member, or lets it wait for one. Everything else is as for `execute()` of an
   * instance; timeouts include the wait. An execution that is retried begins its output anew, with another `started`. After the
   * end of the pool `result` rejects with POOL_STOPPED, with a full queue with OVERLOADED.
   */
  execute(request: ExecuteRequestInput, options?: PoolExecuteOptions): Execution;
  /** The same for a typed call: see `call()` of an instance. */
  call<Result = unknown>(name: string, argument?: unknown, options?: PoolCallOptions<Result>): Promise<Result>;
  /** The numbers of the pool since it was opened. */
  stats(): PoolStats;
  /** Explains what the pool waits for, and which transitions led there. As data, and with String(…) as text. */
  explain(): PoolExplanation;
  /**
   * Takes no more executions and stops the members: with `drain` after the executions that were taken, else at once. Resolves
   * when no program of the pool is left. While it drains, a stop without `drain` ends it at once. Throws INVALID_OPTIONS only.
   */
  stop(options?: PoolStopOptions): Promise<void>;
  /** The same as `stop({ drain: true })`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The public state for a state value of the chart.
 * @internal
 */
export function poolStateOf(value: unknown): PoolState {
  if (value === 'stopping' || value === 'stopped') return value;
  const { members, intake } = (value as { running: { members: string; intake: string } }).running;
  if (intake === 'draining') return 'draining';
  return members === 'opening' ? 'opening' : 'open';
}

// The public types of a pool: its handle, and its numbers.
import type { PoolState } from '../../machines/pool.ts';
import type { CallOptions } from '../execution/call.ts';
import type { Execution } from '../execution/execution.ts';
import type { Instance } from '../instance/instance.ts';
import type { PoolExplanation, PoolFacts } from '../observe/pool-explanation.ts';
import type { ExecuteRequestInput } from '../options.ts';
import type { PoolExecuteOptions, PoolStopOptions } from './options.ts';
import type { Times } from './times.ts';
import type { WorkCounts } from './work.ts';

export interface PoolStats extends Omit<PoolFacts, 'failure'>, Readonly<WorkCounts> {
  /** From `execute()` until a member was given the execution; from then until it has ended. */
  readonly waitTime: Times;
  readonly runTime: Times;
}

/** `retry`: as for `execute()` of a pool. */
export interface PoolCallOptions<Result = unknown> extends CallOptions<Result>, Pick<PoolExecuteOptions, 'retry'> {}

export interface Pool {
  readonly id: string;
  readonly artifactId: string;
  readonly state: PoolState;
  /** Every member that has become ready and has not ended. */
  readonly members: readonly Instance[];
  /** Resolves when `min` members are ready. Rejects with the failure of the first member that fails before: then the pool ends. */
  readonly ready: Promise<void>;
  /**
   * Gives the execution to the least loaded member, or lets it wait for one. Everything else is as for `execute()` of an
   * instance; timeouts include the wait. An execution that is retried begins its output anew, with another `started`.
   */
  execute(request: ExecuteRequestInput, options: PoolExecuteOptions & { readonly encoding: 'buffer' }): Execution<Buffer>;
  execute(request: ExecuteRequestInput, options?: PoolExecuteOptions): Execution;
  /** The same for a typed call: see `call()` of an instance. */
  call<Result = unknown>(name: string, argument?: unknown, options?: PoolCallOptions<Result>): Promise<Result>;
  stats(): PoolStats;
  /** Explains what the pool waits for, and which transitions led there. As data, and with String(…) as text. */
  explain(): PoolExplanation;
  /**
   * Takes no more executions and stops the members: with `drain` after the executions that were taken, else at once. Resolves when
   * no program of the pool is left. While it drains, a stop without `drain` ends it at once.
   */
  stop(options?: PoolStopOptions): Promise<void>;
  /** `stop({ drain: true })`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The public state for a state value of the chart. */
export function poolStateOf(value: unknown): PoolState {
  if (value === 'stopping' || value === 'stopped') return value;
  const { members, intake } = (value as { running: { members: string; intake: string } }).running;
  if (intake === 'draining') return 'draining';
  return members === 'opening' ? 'opening' : 'open';
}

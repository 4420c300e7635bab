// What callers write to open, use and stop a pool. Types only: src/pool/option-schemas.ts checks them, and a test holds both equal.
import type { CallOptions, ExecuteOptions } from './execution.ts';

/** The options of `pool()`. Any fault fails with INVALID_OPTIONS. Durations are in ms. */
export interface PoolOptions {
  /**
   * The least members (a count), up to 1,000.
   * @default 1
   */
  readonly min?: number | undefined;
  /**
   * The most members (a count), from 1 to 1,000. While a member is replaced there is one more.
   * @default the greater of `min` and 1
   */
  readonly max?: number | undefined;
  /**
   * Spares (a count): members beyond those that the executions need, within `max`. An execution on a spare waits for no start.
   * @default 0
   */
  readonly warm?: number | undefined;
  /**
   * How long a member beyond `min` and `warm` may have no execution until it ends, in ms.
   * @default 30_000
   */
  readonly idle?: number | undefined;
  /**
   * After how many executions a member is replaced (a count). It goes on until its replacement is ready.
   * @default none: never
   */
  readonly recycleAfter?: number | undefined;
  /**
   * How many executions may wait for a free member (a count). One more rejects with OVERLOADED.
   * @default 1_024
   */
  readonly queue?: number | undefined;
  /**
   * How many executions a member runs at once (a count), at most 1,024 and `maxInFlight`. A cancelled execution counts until the agent
   * has answered it, or `grace` is over, or, on wire v1, the connection is lost.
   * @default 1
   */
  readonly maxConcurrency?: number | undefined;
}

/** The options of `execute()` of a pool. */
export interface PoolExecuteOptions extends ExecuteOptions {
  /**
   * What happens to an execution whose member was lost. `'never'`: it rejects. `'undelivered'`: it runs on another member if it was
   * not delivered. `'idempotent'`: also if its outcome is unknown, 3 runs at most. Else `result` rejects with NOT_DELIVERED or
   * OUTCOME_UNKNOWN.
   * @default 'undelivered'
   */
  readonly retry?: 'never' | 'undelivered' | 'idempotent' | undefined;
}

/** The options of `call()` of a pool. `retry`: as for `execute()` of a pool. */
export interface PoolCallOptions<Result = unknown> extends CallOptions<Result>, Pick<PoolExecuteOptions, 'retry'> {}

/** The options of `stop()` of a pool. */
export interface PoolStopOptions {
  /**
   * How long each program may take to end by itself, in ms. After it its whole process tree gets SIGKILL.
   * @default `grace` of the spec, or of createSpearlet() where the spec has none
   */
  readonly grace?: number | undefined;
  /**
   * The members finish the executions that were taken, before they stop.
   * @default false
   */
  readonly drain?: boolean | undefined;
}

// What createSpearlet() gives: the handle of a host. Types only.
import type { Observable } from 'rxjs';
import type { AgentEnvironment } from './instance/agent-environment.ts';
import type { ExitReport, Instance } from './instance/instance.ts';
import type { Explanation } from './observe/explanation.ts';
import type { Stats } from './observe/stats.ts';
import type { ExpectSpec, InstanceSpec, InstanceStopOptions, StartOptions, StopOptions } from './options/instance.ts';
import type { PoolOptions } from './options/pool.ts';
import type { RunOptions, RunResult } from './options/run.ts';
import type { Pool } from './pool/pool.ts';
import type { SpearletEvent } from './supervisor/events.ts';

/** A host: it starts agents, supervises them and ends them. */
export interface Spearlet {
  /** Every instance that is not yet stopped. */
  readonly instances: readonly Instance[];
  /** Returns an instance that is not yet stopped; undefined for any other id. */
  get(instanceId: string): Instance | undefined;
  /** What happens from the subscription on. It completes when the spearlet has stopped, and never errors. */
  readonly events$: Observable<SpearletEvent>;
  /**
   * Starts a program as an agent. Resolves when it is ready. Rejects with SpearletError, and the instance is then stopped:
   * INVALID_OPTIONS, SPAWN_FAILED, CONTAINMENT_UNAVAILABLE, CONNECT_TIMEOUT, EXITED_BEFORE_READY, PORTS_EXHAUSTED,
   * LISTEN_FAILED, MEMORY_EXCEEDED, CANCELLED, STOPPED. With `retryStart` it waits through the failures that the
   * restart intensity allows, and rejects with RESTART_LIMIT after them. An agent that speaks no common version of the wire ends: this is
   * EXITED_BEFORE_READY, whose message names VERSION_MISMATCH.
   */
  start(spec: InstanceSpec, options?: StartOptions): Promise<Instance>;
  /** Runs one program, with its output as Buffers. Everything else is as below. */
  run(command: string, args: readonly string[], options: RunOptions & { readonly encoding: 'buffer' }): Promise<RunResult<Buffer>>;
  /**
   * Runs one program to its end, by a command agent of its own, and gives what it has written and its exit code. Everything that the
   * program leaves behind is ended. Rejects with EXECUTION_FAILED for another exit code than 0 (not with `reject: false`), which has
   * `output`, `stderr` and `exitCode` too, with EXECUTION_TIMEOUT, CANCELLED, INVALID_OPTIONS or STOPPED. `args`: default none.
   */
  run(command: string, args?: readonly string[], options?: RunOptions): Promise<RunResult>;
  /**
   * Opens a pool: instances of one program that share executions. It returns at once; executions wait until a member is ready.
   * Throws INVALID_OPTIONS or STOPPED.
   */
  pool(spec: InstanceSpec, options?: PoolOptions): Pool;
  /**
   * Waits for a program that the host does not start: any program with `environment` may connect. Throws INVALID_OPTIONS,
   * STOPPED, LISTEN_FAILED or PORTS_EXHAUSTED.
   */
  expect(spec: ExpectSpec): Expected;
  /** Numbers of executions, messages and bytes, for every instance that is not yet stopped and its connections. */
  stats(): Stats;
  /**
   * Explains why an instance is in its state: since when, what it waits for and until when, its last transitions with their
   * causes, and its last exit. As data, and with String(…) as text. The last 100 stopped instances are kept; for any other id
   * it returns undefined.
   */
  explain(instanceId: string): Explanation | undefined;
  /**
   * Stops every instance, within `grace` (ms) or its own. When it resolves, no process, port, timer or handle of this spearlet is
   * left. Throws INVALID_OPTIONS only.
   */
  stop(options?: StopOptions): Promise<void>;
  /** The same as `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** An instance whose program the host does not start. */
export interface Expected {
  /** The id of the instance. */
  readonly id: string;
  /** The environment of the agent: address, token, instance id, largest frame, versions, times. Nothing else gives out a token. */
  readonly environment: AgentEnvironment;
  /** Rejects with CONNECT_TIMEOUT where no agent has connected and authenticated within `connectTimeout`. */
  readonly ready: Promise<Instance>;
  /** Stops the wait, or ends the session. */
  stop(options?: InstanceStopOptions): Promise<ExitReport>;
}

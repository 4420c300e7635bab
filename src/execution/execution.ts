// What a caller holds of an execution, and what it settles with. Types only; active-execution.ts is the execution itself.
import type { Observable } from 'rxjs';
import type { ExecutionUpdate } from './update.ts';

/** The answer of an agent. `Output`: string, or Buffer with `encoding: 'buffer'`. */
export interface ExecutionResult<Output = string> {
  /** The id of the execution. */
  readonly taskId: string;
  /** What the agent answered. `'failed'` occurs with `reject: false` only. */
  readonly status: 'completed' | 'failed';
  /**
   * The output of the agent's terminal message. Where it has none: the first 1 MiB of what the execution has written to stdout.
   * With `collect`, what it has written comes before the output of the terminal message. Null: there was none.
   */
  readonly output: Output | null;
  /** The first 1 MiB of what the execution has written to stderr, or as much as `collect` says. Null: nothing. */
  readonly stderr: Output | null;
  /** The agent's own words for a failure; null where there are none. */
  readonly error: string | null;
  /** The exit code that the agent has answered; null where it gave none. */
  readonly exitCode: number | null;
  /** Bytes of running output that were lost with a connection, and those beyond the bounds of `output` and `stderr`. */
  readonly truncatedBytes: number;
  /** From the call of `execute()` to the terminal response, in whole ms. */
  readonly duration: number;
}

/**
 * An execution. `for await` reads its updates with backpressure, and throws what `result` rejects with. `Output`: string, or
 * Buffer with `encoding: 'buffer'`.
 */
export interface Execution<Output = string> extends AsyncIterable<ExecutionUpdate<Output>> {
  /** The id of the execution: that of the request, or `<instance id>/<number>`, in a pool `<pool id>/<number>`. */
  readonly taskId: string;
  /**
   * The answer. Rejects with SpearletError unless completed (with `reject: false` an answer of Failed resolves). If nobody
   * reads it, it raises no unhandledRejection.
   */
  readonly result: Promise<ExecutionResult<Output>>;
  /** The kept updates (64 KiB) first, then the live ones; exactly one terminal update, then it completes. It never errors. */
  readonly updates$: Observable<ExecutionUpdate<Output>>;
  /** Cancels the execution, also in the agent: `result` rejects with CANCELLED. After the end it does nothing. */
  cancel(reason?: string): void;
}

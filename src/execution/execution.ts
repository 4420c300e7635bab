// What a caller holds of an execution, and what it settles with. Types only; active-execution.ts is the execution itself.
import type { Observable } from 'rxjs';
import type { ExecutionUpdate } from './update.ts';

/** `Output`: Buffer with `encoding: 'buffer'`. */
export interface ExecutionResult<Output = string> {
  readonly taskId: string;
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
  readonly exitCode: number | null;
  /** Bytes of running output that were lost with a connection, and those beyond the bounds of `output` and `stderr`. */
  readonly truncatedBytes: number;
  /** From the call of `execute()` to the terminal response, in whole ms. */
  readonly duration: number;
}

/** What a caller holds. */
export interface Execution<Output = string> extends AsyncIterable<ExecutionUpdate<Output>> {
  readonly taskId: string;
  /** Rejects with SpearletError unless completed (or `reject: false`, for an answer of Failed). Unobserved, it raises nothing. */
  readonly result: Promise<ExecutionResult<Output>>;
  /** Kept updates first, then live; exactly one terminal update, then it completes. It never errors. */
  readonly updates$: Observable<ExecutionUpdate<Output>>;
  cancel(reason?: string): void;
}

// What a caller holds of an execution, and what it settles with. Types only; active-execution.ts is the execution itself.
import type { Observable } from 'rxjs';
import type { ExecutionUpdate } from './update.ts';

/** `Output`: Buffer with `encoding: 'buffer'`. */
export interface ExecutionResult<Output = string> {
  readonly taskId: string;
  readonly status: 'completed' | 'failed';
  /** The terminal message's own output; with `collect`, the first 16 MiB of the running output joined before it. */
  readonly output: Output | null;
  readonly error: string | null;
  readonly exitCode: number | null;
  /** Bytes of running output that were lost with a connection, and with `collect` those beyond its bound. */
  readonly truncatedBytes: number;
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

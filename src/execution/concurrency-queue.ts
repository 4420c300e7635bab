// The executions that wait in the request table, in the order in which they have come: for a session, for their input, or until fewer
// than `maxConcurrency` of the instance run.
import type { U64 } from '../protocol/message.ts';

interface Waiter {
  readonly requestId: U64;
  readonly size: number;
  readonly isLoading: boolean;
}

export class ConcurrencyQueue<Execution extends Waiter> {
  readonly #all = new Set<Execution>();
  readonly #maxConcurrency: number;
  /** The request ids that the agent works on. Null: there is no bound. */
  readonly #running: Set<U64> | null;
  /** The size of all requests that wait, in UTF-16 units and bytes of input. */
  size = 0;

  constructor(maxConcurrency: number | undefined) {
    this.#maxConcurrency = maxConcurrency ?? Number.POSITIVE_INFINITY;
    this.#running = maxConcurrency === undefined ? null : new Set();
  }

  get isFull(): boolean {
    return this.#running !== null && this.#running.size >= this.#maxConcurrency;
  }

  add(execution: Execution): void {
    this.#all.add(execution);
    this.size += execution.size;
  }

  /** Does nothing for one that does not wait. */
  remove(execution: Execution): void {
    if (this.#all.size > 0 && this.#all.delete(execution)) this.size -= execution.size;
  }

  /** Nothing waits, and the agent works on nothing. */
  clear(): void {
    this.#all.clear();
    this.#running?.clear();
    this.size = 0;
  }

  /** It was sent. */
  begin({ requestId }: Execution): void {
    this.#running?.add(requestId);
  }

  /** The agent works on it no more. Returns whether another one may begin. */
  end(requestId: U64): boolean {
    return this.#running?.delete(requestId) === true && this.#all.size > 0;
  }

  /** Takes the first one that may begin. */
  take(): Execution | null {
    if (this.#all.size === 0 || this.isFull) return null;
    for (const execution of this.#all) {
      if (execution.isLoading) continue;
      this.remove(execution);
      return execution;
    }
    return null;
  }
}

// The executions that wait in the request table, in the order in which they have come: for a session, for their input, or until fewer
// than `maxConcurrency` of the instance run.
import type { U64 } from '../protocol/message.ts';

interface Waiter {
  readonly requestId: U64;
  readonly size: number;
  readonly isLoading: boolean;
}

export class Waiting<Execution extends Waiter> {
  readonly #all = new Set<Execution>();
  readonly #maxConcurrency: number;
  /** The request ids that the agent works on. It stays empty where there is no bound. */
  readonly #running = new Set<U64>();
  /** Of the requests, in UTF-16 units and bytes of input. */
  size = 0;

  constructor(maxConcurrency = Number.POSITIVE_INFINITY) {
    this.#maxConcurrency = maxConcurrency;
  }

  get isFull(): boolean {
    return this.#running.size >= this.#maxConcurrency;
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
    this.#running.clear();
    this.size = 0;
  }

  /** It was sent. */
  begin({ requestId }: Execution): void {
    if (this.#maxConcurrency !== Number.POSITIVE_INFINITY) this.#running.add(requestId);
  }

  /** The agent works on it no more. Returns whether another one may begin. */
  end(requestId: U64): boolean {
    return this.#running.delete(requestId) && this.#all.size > 0;
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

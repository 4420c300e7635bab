// Responses that the agent owes within a time. Where none has come by then, that is told once; the entry stays until a
// response does come, or all are cleared.
import type { Deadline, Deadlines, Expiring } from './deadlines.ts';

/**
 * The time passes in so many parts, each set when the one before has passed. So one stall of this process, in which it cannot read,
 * takes one part of the agent's time at most.
 */
const LOOKS = 4;

export interface PendingResponses<K, V> {
  readonly size: number;
  /** False: it is expected already. */
  expect(key: K, value: V): boolean;
  /** The response is expected, and its time is not over. */
  isDue(key: K): boolean;
  /** The response has come, or nobody waits for it any more. */
  settle(key: K): void;
  clear(): void;
}

export interface PendingDeps<K, V> {
  readonly deadlines: Deadlines;
  /** How long the agent has to respond, in ms. */
  readonly within: number;
  /** We do not read what the agent says: its silence means nothing, and it gets as long again. */
  isPaused(): boolean;
  overdue(key: K, value: V): void;
}

/** A class, because V8 gives each object literal with a getter a hash table of its own. */
class Pending<K, V> implements PendingResponses<K, V> {
  readonly #deps: PendingDeps<K, V>;
  /** A deadline that is null has passed. The map is made when a response is owed for the first time. */
  #pending: Map<K, Deadline | null> | null = null;

  constructor(deps: PendingDeps<K, V>) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#pending?.size ?? 0;
  }

  expect(key: K, value: V): boolean {
    this.#pending ??= new Map();
    const pending = this.#pending;
    if (pending.has(key)) return false;
    const { deadlines, within, isPaused, overdue } = this.#deps;
    let left = within;
    const look = (): void => {
      const step = Math.min(left, Math.ceil(within / LOOKS));
      left -= step;
      pending.set(key, deadlines.add(step, late));
    };
    const late: Expiring = {
      expire() {
        if (isPaused()) left = within;
        if (left > 0) return look();
        pending.set(key, null);
        overdue(key, value);
      },
    };
    look();
    return true;
  }

  isDue(key: K): boolean {
    return this.#pending?.get(key) != null;
  }

  settle(key: K): void {
    if (this.#pending === null || this.#pending.size === 0) return;
    this.#pending.get(key)?.cancel();
    this.#pending.delete(key);
  }

  clear(): void {
    if (this.#pending === null) return;
    for (const deadline of this.#pending.values()) deadline?.cancel();
    this.#pending.clear();
  }
}

export const createPendingResponses = <K, V>(deps: PendingDeps<K, V>): PendingResponses<K, V> => new Pending(deps);

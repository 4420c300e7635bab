// Responses that the agent owes within a time. If none has come by then, `overdue` is called once; the entry stays until a
// response does come, or all are cleared.
import type { Deadline, Deadlines, Expiring } from '../world/deadlines.ts';

/**
 * The time is divided into this many parts, each with a timer that is set when the part before has passed. So one stall of this
 * process, in which it cannot read, takes at most one part of the agent's time.
 */
const PARTS = 4;

export interface PendingResponses<K, V> {
  readonly size: number;
  /** False: it is expected already. */
  expect(key: K, value: V): boolean;
  /** The response is expected, and its time is not over. */
  isDue(key: K): boolean;
  /** The response has come, or nobody waits for it any more. */
  settle(key: K): void;
  /** Forgets the oldest response if its time has passed. */
  dropOverdue(): void;
  clear(): void;
}

export interface PendingDeps<K, V> {
  readonly deadlines: Deadlines;
  /** How long the agent has to respond, in ms. */
  readonly within: number;
  /** The host does not read now, so silence proves nothing: the time starts again. */
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
    const wait = (): void => {
      const step = Math.min(left, Math.ceil(within / PARTS));
      left -= step;
      pending.set(key, deadlines.add(step, late));
    };
    const late: Expiring = {
      expire() {
        if (isPaused()) left = within;
        if (left > 0) return wait();
        pending.set(key, null);
        overdue(key, value);
      },
    };
    wait();
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

  dropOverdue(): void {
    for (const [oldest, deadline] of this.#pending ?? []) {
      if (deadline === null) this.#pending?.delete(oldest);
      return;
    }
  }

  clear(): void {
    if (this.#pending === null) return;
    for (const deadline of this.#pending.values()) deadline?.cancel();
    this.#pending.clear();
  }
}

export const createPendingResponses = <K, V>(deps: PendingDeps<K, V>): PendingResponses<K, V> => new Pending(deps);

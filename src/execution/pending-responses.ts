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

export function createPendingResponses<K, V>({ deadlines, within, isPaused, overdue }: PendingDeps<K, V>): PendingResponses<K, V> {
  /** Null: it was overdue. */
  const pending = new Map<K, Deadline | null>();

  const wait = (key: K, value: V): void => {
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
  };

  return {
    get size() {
      return pending.size;
    },
    expect(key, value) {
      if (pending.has(key)) return false;
      wait(key, value);
      return true;
    },
    settle(key) {
      if (pending.size === 0) return;
      pending.get(key)?.cancel();
      pending.delete(key);
    },
    clear() {
      for (const deadline of pending.values()) deadline?.cancel();
      pending.clear();
    },
  };
}

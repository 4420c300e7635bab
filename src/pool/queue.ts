// The executions of a pool that wait for a free member, first come first served. One that is retried has waited already: it comes
// before all others. It knows sizes and order, and no member.

/** An execution, as the queue sees it. Only the queue writes `next`, `previous` and `isQueued`. */
export interface Queued {
  /** The size of its request, in UTF-16 units and bytes of input. */
  readonly size: number;
  next: this | null;
  previous: this | null;
  isQueued: boolean;
}

export interface Queue<Execution extends Queued> {
  readonly length: number;
  /** The size of all requests that wait. */
  readonly size: number;
  add(execution: Execution, isRetried: boolean): void;
  /** Does nothing for an execution that does not wait. */
  remove(execution: Execution): void;
  /** The next one, which does not wait any more. */
  take(): Execution | null;
}

/** A linked list: an execution can leave from the middle at no cost, because a timeout or an abort may end thousands at once. */
export function createQueue<Execution extends Queued>(): Queue<Execution> {
  let first: Execution | null = null;
  let last: Execution | null = null;
  let length = 0;
  let size = 0;

  const remove = (execution: Execution): void => {
    if (!execution.isQueued) return;
    const { next, previous } = execution;
    if (previous === null) first = next;
    else previous.next = next;
    if (next === null) last = previous;
    else next.previous = previous;
    execution.next = null;
    execution.previous = null;
    execution.isQueued = false;
    length -= 1;
    size -= execution.size;
  };

  return {
    get length() {
      return length;
    },
    get size() {
      return size;
    },
    add(execution, isRetried) {
      execution.isQueued = true;
      execution.previous = isRetried ? null : last;
      execution.next = isRetried ? first : null;
      if (execution.previous === null) first = execution;
      else execution.previous.next = execution;
      if (execution.next === null) last = execution;
      else execution.next.previous = execution;
      length += 1;
      size += execution.size;
    },
    remove,
    take() {
      const taken = first;
      if (taken !== null) remove(taken);
      return taken;
    },
  };
}

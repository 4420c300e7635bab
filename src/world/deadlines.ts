// Many deadlines behind one timer. Adding and cancelling one costs a few pointers: like Node's own timers there
// is a list for each duration, in which entries are in order by nature, and a heap of the lists.
import type { Clock, Timer } from './clock.ts';

/** What a deadline is for. */
export interface Expiring {
  /** The deadline has passed. Must not throw. */
  expire(): void;
}

export interface Deadline {
  cancel(): void;
}

export interface Deadlines {
  /** Calls `expiring.expire()` after `ms`, unless the deadline was cancelled before. */
  add(ms: number, expiring: Expiring): Deadline;
  /** The time of its clock, in ms. */
  now(): number;
  /** Cancels all deadlines. */
  close(): void;
}

/** Entries of one duration, the earliest first. */
interface List {
  readonly ms: number;
  first: Entry | null;
  last: Entry | null;
  /** Its place in the heap: no later than its first entry is due; earlier where that one was cancelled. */
  key: number;
}

class Entry implements Deadline {
  next: Entry | null = null;
  previous: Entry | null;
  /** Null once it is due or was cancelled. */
  list: List | null;
  cancelled = false;
  readonly at: number;
  readonly expiring: Expiring;
  readonly removed: () => void;

  constructor(list: List, at: number, expiring: Expiring, removed: () => void) {
    this.list = list;
    this.at = at;
    this.expiring = expiring;
    this.removed = removed;
    this.previous = list.last;
    if (list.last === null) list.first = this;
    else list.last.next = this;
    list.last = this;
  }

  unlink(): void {
    const { list, next, previous } = this;
    if (list === null) return;
    if (previous === null) list.first = next;
    else previous.next = next;
    if (next === null) list.last = previous;
    else next.previous = previous;
    this.list = null;
    this.removed();
  }

  cancel(): void {
    this.cancelled = true;
    this.unlink();
  }
}

/** `step`, in ms: deadlines are rounded up to a multiple of it, so that many expire in one turn of the event loop. 0: none is rounded. */
export function createDeadlines(clock: Clock, step = 0): Deadlines {
  /** The lists in the heap, by duration. An empty list stays in the heap until its key has passed, because it may be used again. */
  const lists = new Map<number, List>();
  const heap: List[] = [];
  let count = 0;
  let closed = false;
  let timer: Timer | null = null;
  let armedFor = Number.POSITIVE_INFINITY;

  const swap = (a: number, b: number): void => {
    const list = heap[a]!;
    heap[a] = heap[b]!;
    heap[b] = list;
  };
  const push = (list: List): void => {
    let at = heap.push(list) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]!.key > heap[at]!.key; parent = (at - 1) >> 1) {
      swap(at, parent);
      at = parent;
    }
  };
  const pop = (): List => {
    swap(0, heap.length - 1);
    const list = heap.pop()!;
    for (let at = 0; ; ) {
      let least = at;
      for (let child = 2 * at + 1; child <= 2 * at + 2 && child < heap.length; child += 1)
        if (heap[child]!.key < heap[least]!.key) least = child;
      if (least === at) return list;
      swap(at, least);
      at = least;
    }
  };

  const disarm = (): void => {
    if (timer !== null) clock.clearTimeout(timer);
    timer = null;
    armedFor = Number.POSITIVE_INFINITY;
  };
  const arm = (): void => {
    const earliest = heap[0]?.key ?? Number.POSITIVE_INFINITY;
    if (earliest >= armedFor) return;
    disarm();
    armedFor = earliest;
    timer = clock.setTimeout(fire, Math.max(1, Math.ceil(earliest - clock.now())));
  };
  const removed = (): void => {
    count -= 1;
    // Without a deadline no timer may keep the host's event loop alive.
    if (count > 0 || closed) return;
    disarm();
    heap.length = 0;
    lists.clear();
  };

  const fire = (): void => {
    disarm();
    const now = clock.now();
    const due: Entry[] = [];
    while (heap.length > 0 && heap[0]!.key <= now) {
      const list = pop();
      for (let entry = list.first; entry !== null && entry.at <= now; entry = list.first) {
        due.push(entry);
        entry.unlink();
      }
      if (list.first !== null) {
        list.key = list.first.at;
        push(list);
      } else if (lists.get(list.ms) === list) lists.delete(list.ms);
    }
    due.sort((a, b) => a.at - b.at);
    arm();
    // A deadline that expires may cancel another that is due at the same moment.
    for (const entry of due) if (!entry.cancelled) entry.expiring.expire();
  };

  return {
    now: () => clock.now(),
    add(ms, expiring) {
      let at = clock.now() + ms;
      if (step > 0) at = Math.ceil(at / step) * step;
      let list = lists.get(ms);
      if (list === undefined) {
        list = { ms, first: null, last: null, key: at };
        lists.set(ms, list);
        push(list);
      }
      count += 1;
      const entry = new Entry(list, at, expiring, removed);
      if (!closed) arm();
      return entry;
    },
    close() {
      closed = true;
      disarm();
    },
  };
}

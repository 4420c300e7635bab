// A clock that stands still until a test moves it. Timers run when their time has come: the earliest first, and of the same
// time the one that was set first. So a simulation on it does the same in every run.
import type { Clock, Timer } from '../../src/world/clock.ts';

export interface HandClock extends Clock {
  /** Moves on by so many ms, and runs what is due on the way. */
  pass(ms: number): void;
  /** Moves on, as while the program is busy: what is due waits for the next `pass`. */
  work(ms: number): void;
  /** Runs the earliest timer and returns how long it was set for, in ms; null where none is set. */
  step(): number | null;
  /**
   * Runs timers until none is left, or none before `until`. Between two of them it lets the promise jobs and next ticks run that
   * the first has left, as Node does. Returns how many timers have run.
   */
  run(until?: number): Promise<number>;
  /** How long each pending timer has still to wait, in ms, in the order in which they run. */
  readonly pending: readonly number[];
}

interface Alarm extends Timer {
  readonly at: number;
  /** How many were set before. */
  readonly id: number;
  readonly ms: number;
  /** Null once it has run or was cleared. */
  run: (() => void) | null;
}

/** Cleared timers are taken out of the heap beyond so many, if they are the half. */
const COMPACT = 1_000;

const isBefore = (a: Alarm, b: Alarm): boolean => a.at < b.at || (a.at === b.at && a.id < b.id);
const inOrder = (a: Alarm, b: Alarm): number => (isBefore(a, b) ? -1 : 1);

/** A binary heap: the earliest alarm is `heap[0]`. */
function push(heap: Alarm[], alarm: Alarm): void {
  let at = heap.length;
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (isBefore(heap[above]!, alarm)) break;
    heap[at] = heap[above]!;
    at = above;
  }
  heap[at] = alarm;
}

function removeFirst(heap: Alarm[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1;
    if (isBefore(last, heap[below]!)) break;
    heap[at] = heap[below]!;
    at = below;
  }
  heap[at] = last;
}

export function handClock(): HandClock {
  let now = 1_000;
  let set = 0;
  let cleared = 0;
  let heap: Alarm[] = [];

  const first = (): Alarm | undefined => {
    while (heap.length > 0 && heap[0]!.run === null) {
      removeFirst(heap);
      cleared -= 1;
    }
    return heap[0];
  };
  const step = (): number | null => {
    const alarm = first();
    if (alarm === undefined) return null;
    removeFirst(heap);
    now = Math.max(now, alarm.at);
    const { run } = alarm;
    alarm.run = null;
    run!();
    return alarm.ms;
  };

  return {
    now: () => now,
    wall: () => 1_700_000_000_000 + now,
    setTimeout(run, ms) {
      const alarm = { at: now + ms, id: set, ms, run };
      set += 1;
      push(heap, alarm);
      return alarm;
    },
    // As with the real clock, clearing a timer that was never set is no error.
    clearTimeout(timer: Timer | undefined) {
      const alarm = timer as Alarm | undefined;
      if (alarm === undefined || alarm.run === null) return;
      alarm.run = null;
      cleared += 1;
      if (cleared < COMPACT || cleared < heap.length / 2) return;
      // A sorted list is a heap.
      heap = heap.filter(({ run }) => run !== null).sort(inOrder);
      cleared = 0;
    },
    pass(ms) {
      const until = now + ms;
      for (let next = first(); next !== undefined && next.at <= until; next = first()) step();
      now = until;
    },
    work(ms) {
      now += ms;
    },
    step,
    async run(until = Number.POSITIVE_INFINITY) {
      let ran = 0;
      for (let next = first(); next !== undefined && next.at < until; next = first()) {
        step();
        ran += 1;
        await new Promise<void>(resolve => process.nextTick(resolve));
      }
      return ran;
    },
    get pending() {
      return heap
        .filter(({ run }) => run !== null)
        .sort(inOrder)
        .map(({ at }) => at - now);
    },
  };
}

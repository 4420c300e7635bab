// The updates of one execution: one bounded log that each reader follows at its own pace. Gaps say exactly which bytes it has missed.
import { Observable } from 'rxjs';
import { withCallerOf } from '../errors.ts';
import type { OutputData } from './collected.ts';
import type { ExecutionUpdate, UpdateBounds, UpdatesOwner } from './update.ts';

type Update = ExecutionUpdate<OutputData>;

/** The memory that an update takes beside its output, in bytes. With it many updates without output reach the bound, too. */
const UPDATE_COST = 64;
/** The consumed front of the log is cut off when it has this many entries. */
const COMPACT = 256;

/** Running output at its place in the output of the execution. */
interface Entry {
  readonly update: Update;
  /** Bytes of running output before it, and in it. */
  readonly from: number;
  readonly bytes: number;
  /** What it takes, in bytes. Progress has bytes on the wire, and no output. */
  readonly cost: number;
  /** Bytes on the wire, of all running output up to its end. */
  readonly arrived: number;
}

/** A reader's place in the log. */
interface Reader {
  started: boolean;
  /** The number of the next entry, counted from the first that ever was. */
  next: number;
  /** Bytes of running output that it has got, as output or as a gap. */
  offset: number;
  /** What the entries took that are behind it, in bytes. */
  passed: number;
  /** Bytes on the wire that it has taken. */
  taken: number;
  finished: boolean;
  /** Something is there to be taken. */
  wake(): void;
}

export interface Updates {
  /** `bytes`: of its output. `arrived`: its bytes on the wire, where they are others. */
  push(update: Update, bytes: number, arrived?: number): void;
  /** This many bytes of running output were lost at this point. */
  lose(bytes: number): void;
  /** No more comes; `error` is what a pulling reader throws after the last update. */
  end(error?: unknown): void;
  readonly updates$: Observable<Update>;
  iterate(): AsyncIterator<Update, undefined>;
}

export function createUpdates(taskId: string, bounds: UpdateBounds, owner: UpdatesOwner): Updates {
  let started: Update | null = null;
  let terminal: Update | null = null;
  let failure: unknown;
  let ended = false;
  // log[head] is the oldest entry that is kept, and `first` is its number.
  let log: Entry[] = [];
  let head = 0;
  let first = 0;
  /** The cost of all entries so far, and of those that are not kept any more. */
  let pushed = 0;
  let dropped = 0;
  /** Bytes on the wire: all that have arrived or were lost, those of dropped entries, and those that every iterator has taken. */
  let arrived = 0;
  let droppedArrived = 0;
  let taken = 0;
  /** Bytes of running output so far. */
  let offset = 0;
  // Replaced, never changed: a reader may join or leave while another one is woken.
  let readers: readonly Reader[] = [];
  let pulling: readonly Reader[] = [];
  let slow = 0;

  const wakeAll = (): void => {
    for (const reader of readers) reader.wake();
  };
  /** Drops the oldest entries beyond the bound, but none that a reader has still to take. */
  const trim = (): void => {
    if (pushed - dropped <= bounds.kept) return;
    let needed = first + log.length - head;
    for (const { next } of readers) if (next < needed) needed = next;
    while (pushed - dropped > bounds.kept && first < needed) {
      dropped += log[head]!.cost;
      droppedArrived = log[head]!.arrived;
      head += 1;
      first += 1;
    }
    if (head < COMPACT || head < log.length / 2) return;
    log = log.slice(head);
    head = 0;
  };

  const join = (wake: () => void): Reader => {
    const reader: Reader = { started: false, next: first, offset: 0, passed: dropped, taken: droppedArrived, finished: false, wake };
    readers = [...readers, reader];
    return reader;
  };
  const leave = (reader: Reader): void => {
    readers = readers.filter(each => each !== reader);
    trim();
  };

  const reportTaken = (): void => {
    let least = arrived;
    for (const { taken, next, offset: got } of pulling)
      if ((next - first < log.length - head || got < offset) && taken < least) least = taken;
    if (least <= taken) return;
    const more = least - taken;
    taken = least;
    owner.taken(more, least === arrived);
  };

  /** The next update for this reader; null where there is none yet, or none any more. */
  const take = (reader: Reader): Update | null => {
    if (!reader.started && started !== null) {
      reader.started = true;
      return started;
    }
    const entry = log[head + reader.next - first];
    const at = entry?.from ?? offset;
    if (reader.offset < at) {
      const gap = { from: reader.offset, to: at };
      reader.offset = at;
      return { taskId, status: 'running', gap };
    }
    if (entry !== undefined) {
      reader.next += 1;
      reader.offset += entry.bytes;
      reader.passed += entry.cost;
      reader.taken = entry.arrived;
      return entry.update;
    }
    if (terminal === null || reader.finished) return null;
    reader.finished = true;
    return terminal;
  };

  const iterate = (): AsyncIterator<Update, undefined> => {
    let isSlow = false;
    let isOver = false;
    const waiting: { resolve(result: IteratorResult<Update, undefined>): void; reject(error: unknown): void }[] = [];
    const done: IteratorResult<Update, undefined> = { value: undefined, done: true };

    const setSlow = (on: boolean): void => {
      if (isSlow === on) return;
      isSlow = on;
      slow += on ? 1 : -1;
      if (slow === (on ? 1 : 0)) owner.throttle(on);
    };
    const measure = (): void => {
      const behind = pushed - reader.passed;
      if (behind > bounds.slow && !ended) setSlow(true);
      else if (behind <= bounds.slow / 2 || ended) setSlow(false);
    };
    const close = (): void => {
      isOver = true;
      leave(reader);
      pulling = pulling.filter(each => each !== reader);
      setSlow(false);
      reportTaken();
    };
    /** The next update or the end; undefined where there is nothing yet. Throws the failure, once. */
    const poll = (): IteratorResult<Update, undefined> | undefined => {
      if (isOver) return done;
      const update = take(reader);
      measure();
      reportTaken();
      if (update !== null) return { value: update, done: false };
      if (!ended) return undefined;
      close();
      if (failure !== undefined) throw failure;
      return done;
    };
    const wake = (): void => {
      measure();
      while (waiting.length > 0) {
        try {
          const result = poll();
          if (result === undefined) return;
          waiting.shift()!.resolve(result);
        } catch (thrown) {
          waiting.shift()!.reject(thrown);
        }
      }
    };
    const next = async (): Promise<IteratorResult<Update, undefined>> => {
      try {
        return poll() ?? (await new Promise((resolve, reject) => waiting.push({ resolve, reject })));
      } catch (error) {
        throw withCallerOf(error, next);
      }
    };
    const reader = join(wake);
    pulling = [...pulling, reader];
    measure();
    return {
      next,
      return() {
        close();
        for (const { resolve } of waiting.splice(0)) resolve(done);
        return Promise.resolve(done);
      },
    };
  };

  return {
    push(update, bytes, onWire = bytes) {
      if (ended) return;
      if (update.status === 'started') started = update;
      else if (update.status === 'running') {
        arrived += onWire;
        const cost = Math.max(bytes, onWire) + UPDATE_COST;
        log.push({ update, from: offset, bytes, cost, arrived });
        pushed += cost;
        offset += bytes;
      } else terminal = update;
      wakeAll();
      trim();
      reportTaken();
    },
    lose(bytes) {
      offset += bytes;
      arrived += bytes;
      wakeAll();
      reportTaken();
    },
    end(error) {
      ended = true;
      failure = error;
      wakeAll();
    },
    updates$: new Observable<Update>(subscriber => {
      let isDelivering = false;
      const deliver = (): void => {
        // A subscriber that gets an update may cause the next one, by a cancel for example. That one is delivered after it.
        if (isDelivering) return;
        isDelivering = true;
        for (let update = take(reader); update !== null && !subscriber.closed; update = take(reader)) subscriber.next(update);
        isDelivering = false;
        if (ended) subscriber.complete();
      };
      const reader = join(deliver);
      deliver();
      return () => leave(reader);
    }),
    iterate,
  };
}

// The updates of one execution on their way to whoever reads them: late, slow, several, or nobody. Every buffer is bounded.
import { Observable } from 'rxjs';

export interface ExecutionUpdate {
  readonly taskId: string;
  readonly status: 'started' | 'running' | 'completed' | 'failed';
  readonly output?: string;
  readonly error?: string;
  readonly exitCode?: number;
  /** Bytes of output, counted from the first, that a late reader has missed for good. The update carries no output. */
  readonly gap?: { readonly from: number; readonly to: number };
}

/** What an update takes beside its output, in bytes: many empty ones are not free either. */
const UPDATE_COST = 64;

/** One who reads, from the moment it came. */
interface Reader {
  next(update: ExecutionUpdate, bytes: number): void;
  end(error: unknown): void;
}

export interface Updates {
  push(update: ExecutionUpdate, bytes: number): void;
  /** No more comes; `error` is what a pulling reader throws after the last update. */
  end(error?: unknown): void;
  readonly updates$: Observable<ExecutionUpdate>;
  iterate(): AsyncIterator<ExecutionUpdate, undefined>;
}

export interface UpdateBounds {
  readonly kept: number;
  readonly slow: number;
}

/** `throttle(true)` is called when a pulling reader has fallen behind by more than the bound, `throttle(false)` when it has caught up. */
export function createUpdates(taskId: string, bounds: UpdateBounds, throttle: (on: boolean) => void): Updates {
  // Kept until the first reader comes; output beyond the bound is dropped from the front and shows as a gap.
  let kept: { update: ExecutionUpdate; bytes: number }[] = [];
  let keptBytes = 0;
  let dropped = 0;
  let readers: Reader[] = [];
  let behind = 0;
  let ended: { error: unknown } | null = null;

  const keep = (update: ExecutionUpdate, bytes: number): void => {
    kept.push({ update, bytes });
    keptBytes += bytes + UPDATE_COST;
    while (keptBytes > bounds.kept) {
      const index = kept.findIndex(each => each.update.status === 'running');
      if (index === -1) return;
      const [oldest] = kept.splice(index, 1);
      keptBytes -= oldest!.bytes + UPDATE_COST;
      dropped += oldest!.bytes;
    }
  };

  const attach = (reader: Reader): void => {
    for (const { update, bytes } of kept) {
      if (dropped > 0 && update.status !== 'started') {
        reader.next({ taskId, status: 'running', gap: { from: 0, to: dropped } }, 0);
        dropped = 0;
      }
      reader.next(update, bytes);
    }
    if (ended !== null) reader.end(ended.error);
    else {
      readers.push(reader);
      // From now on output is read as it comes; a second reader starts where it is.
      kept = kept.filter(({ update }) => update.status !== 'running');
      keptBytes = 0;
    }
  };
  const detach = (reader: Reader): void => {
    readers = readers.filter(each => each !== reader);
  };

  const iterate = (): AsyncIterator<ExecutionUpdate, undefined> => {
    const queue: { update: ExecutionUpdate; bytes: number }[] = [];
    let queuedBytes = 0;
    let slow = false;
    let over: { error: unknown } | null = null;
    const waiting: { resolve(result: IteratorResult<ExecutionUpdate, undefined>): void; reject(error: unknown): void }[] = [];
    const settle = (on: boolean): void => {
      if (slow === on) return;
      slow = on;
      behind += on ? 1 : -1;
      if (behind === (on ? 1 : 0)) throttle(on);
    };
    const reader: Reader = {
      next(update, bytes) {
        const first = waiting.shift();
        if (first !== undefined) return first.resolve({ value: update, done: false });
        queue.push({ update, bytes });
        queuedBytes += bytes + UPDATE_COST;
        if (queuedBytes > bounds.slow) settle(true);
      },
      end(error) {
        over = { error };
        settle(false);
        const [first, ...others] = waiting.splice(0);
        if (first === undefined) return;
        // The error is thrown once.
        over = { error: undefined };
        if (error === undefined) first.resolve({ value: undefined, done: true });
        else first.reject(error);
        for (const other of others) other.resolve({ value: undefined, done: true });
      },
    };
    attach(reader);
    return {
      next() {
        const first = queue.shift();
        if (first !== undefined) {
          queuedBytes -= first.bytes + UPDATE_COST;
          if (queuedBytes <= bounds.slow / 2) settle(false);
          return Promise.resolve({ value: first.update, done: false });
        }
        if (over !== null) {
          const { error } = over;
          over = { error: undefined };
          return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
        }
        return new Promise((resolve, reject) => {
          waiting.push({ resolve, reject });
        });
      },
      return() {
        detach(reader);
        settle(false);
        over = { error: undefined };
        queue.length = 0;
        for (const each of waiting.splice(0)) each.resolve({ value: undefined, done: true });
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  };

  return {
    push(update, bytes) {
      if (readers.length === 0) keep(update, bytes);
      else for (const reader of readers) reader.next(update, bytes);
      if (readers.length > 0 && update.status !== 'running') kept.push({ update, bytes: 0 });
    },
    end(error) {
      ended = { error };
      const told = readers;
      readers = [];
      for (const reader of told) reader.end(error);
    },
    updates$: new Observable<ExecutionUpdate>(subscriber => {
      const reader: Reader = { next: update => subscriber.next(update), end: () => subscriber.complete() };
      attach(reader);
      return () => detach(reader);
    }),
    iterate,
  };
}

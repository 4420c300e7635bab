// stdout and stderr of this process. A write never waits for the reader: text that does not fit is kept up to a bound, and
// text beyond the bound is dropped and counted. Nothing here throws: a broken stream loses its text, and nothing else.
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';

/** The wait before a full stream is tried again, in ms; it doubles with every try. */
const MIN_PAUSE = 1;
const MAX_PAUSE = 64;
/** When the process exits: how often a reader that takes nothing is tried, and how many ms apart. */
const EXIT_TRIES = 100;
const EXIT_PAUSE = 10;

/** The bound of text that is not read yet. */
export interface Kept {
  /** The most bytes that are kept. */
  readonly bytes: number;
  /** The line that stands in place of the dropped ones. */
  gap(lines: number, bytes: number): string;
}

export interface Outlet {
  /** Writes now what fits. Without `kept` there is no bound: only for text that is short, or whose caller awaits drained(). */
  write(text: string | Uint8Array, kept?: Kept): void;
  /** Bytes that are kept and not written yet. */
  readonly pending: number;
  /** The code of the error of the last write; null where it succeeded. */
  readonly failure: string | null;
  /** Resolves when nothing is pending, or `signal` aborts. Keeps the process alive meanwhile. */
  drained(signal?: AbortSignal): Promise<void>;
}

interface Entry {
  bytes: Uint8Array;
  /** Lines and bytes to count if the entry is dropped; `size` stays as it was when a part is written. */
  readonly lines: number;
  readonly size: number;
}

/**
 * Returns how to open a descriptor whose writes do not block. O_NONBLOCK belongs to the open file, which other processes
 * share. So a pipe or a terminal is opened once more, and the shared one stays as it is. A socket cannot be opened again;
 * there Node sets the flag on the shared file.
 */
function nonBlocking(fd: 1 | 2): () => number {
  let way: 'reopened' | 'shared' | null = null;
  const shared = (): number => {
    way = 'shared';
    try {
      // The getter sets the flag.
      void (fd === 1 ? process.stdout : process.stderr);
    } catch {
      // Node knows no such stream; a write will show whether it works.
    }
    return fd;
  };
  const choose = (): 'reopened' | 'shared' => {
    try {
      const stat = fstatSync(fd);
      if (stat.isFile()) return 'shared';
      // Fails where the descriptor is for reading only: reopened, it would be writable.
      writeSync(fd, new Uint8Array(0));
      return stat.isFIFO() || stat.isCharacterDevice() ? 'reopened' : 'shared';
    } catch {
      return 'shared';
    }
  };
  return () => {
    if (way === null && (way = choose()) === 'shared') return shared();
    if (way === 'shared') return fd;
    try {
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch {
      return shared();
    }
  };
}

export function createOutlet(fd: 1 | 2): Outlet {
  const open = nonBlocking(fd);
  const queue: Entry[] = [];
  const waiting = new Set<() => void>();
  let pending = 0;
  let failure: string | null = null;
  let lost = { lines: 0, bytes: 0 };
  let gap: Kept['gap'] | null = null;
  let timer: NodeJS.Timeout | null = null;
  let pause = MIN_PAUSE;

  const countLost = ({ lines, size }: Pick<Entry, 'lines' | 'size'>): void => {
    lost = { lines: lost.lines + lines, bytes: lost.bytes + size };
  };
  const push = (entry: Entry): void => {
    queue.push(entry);
    pending += entry.bytes.length;
  };
  /** Puts the line for dropped ones in their place. */
  const pushGap = (): void => {
    if (lost.lines === 0 || gap === null) return;
    const { lines, bytes: size } = lost;
    lost = { lines: 0, bytes: 0 };
    push({ bytes: Buffer.from(gap(lines, size)), lines, size });
  };

  const writeAll = (): void => {
    if (queue.length === 0) return;
    const to = open();
    try {
      for (let first = queue[0]; first !== undefined; first = queue[0]) {
        const written = writeSync(to, first.bytes);
        failure = null;
        pause = MIN_PAUSE;
        pending -= written;
        if (written < first.bytes.length) first.bytes = first.bytes.subarray(written);
        else queue.shift();
      }
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return;
      failure = code ?? 'EIO';
      for (const entry of queue.splice(0)) countLost(entry);
      pending = 0;
    } finally {
      if (to !== fd) closeSync(to);
    }
  };

  const flush = (): void => {
    writeAll();
    if (queue.length === 0 && failure === null && lost.lines > 0) {
      pushGap();
      writeAll();
    }
    if (queue.length > 0) return retryLater();
    if (timer !== null) {
      clearTimeout(timer);
      timer = null;
      process.off('exit', flushAtExit);
    }
    for (const wake of [...waiting]) wake();
  };

  const retryLater = (): void => {
    if (timer === null) process.on('exit', flushAtExit);
    else clearTimeout(timer);
    timer = setTimeout(flush, pause);
    if (waiting.size === 0) timer.unref();
    pause = Math.min(pause * 2, MAX_PAUSE);
  };

  /** The process exits: a reader that still reads gets all text. One that does not read delays the exit only for a bounded time. */
  const flushAtExit = (): void => {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; pending > 0 && tries < EXIT_TRIES; tries += 1) {
      Atomics.wait(cell, 0, 0, EXIT_PAUSE);
      const before = pending;
      flush();
      if (pending < before) tries = 0;
    }
  };

  return {
    write(text, kept) {
      const bytes = typeof text === 'string' ? Buffer.from(text) : text;
      const entry = { bytes, lines: typeof text === 'string' ? Math.max(1, text.split('\n').length - 1) : 1, size: bytes.length };
      if (kept !== undefined) {
        gap = kept.gap;
        if (pending + bytes.length > kept.bytes) return countLost(entry);
        if (lost.lines > 0) pushGap();
      }
      push(entry);
      // A running timer means that the stream was full a moment ago.
      if (timer === null) flush();
    },
    get pending() {
      return pending;
    },
    get failure() {
      return failure;
    },
    drained: signal =>
      new Promise(resolve => {
        const wake = (): void => {
          waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          if (waiting.size === 0) timer?.unref();
          resolve();
        };
        if (pending === 0 || signal?.aborted) return resolve();
        signal?.addEventListener('abort', wake, { once: true });
        waiting.add(wake);
        timer?.ref();
      }),
  };
}

export const stdout: Outlet = createOutlet(1);
export const stderr: Outlet = createOutlet(2);

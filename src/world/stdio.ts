// stdout and stderr of this process, written to without ever waiting for who reads them. What does not fit is kept, up to
// a bound; what goes beyond it is dropped and counted. Nothing here throws: a broken stream loses its text and no more.
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';

/** How long a full stream is left alone before the next try, in ms. */
const SHORTEST = 1;
const LONGEST = 64;
/** At the exit of the process: how often, and how many ms apart, a reader that takes nothing is tried. */
const LAST_TRIES = 100;
const LAST_PAUSE = 10;

/** What may be kept of text that nobody reads. */
export interface Kept {
  /** So many bytes. */
  readonly bytes: number;
  /** The line that stands where so many were dropped. */
  gap(lines: number, bytes: number): string;
}

export interface Outlet {
  /** Writes now what fits. Without `kept` there is no bound: for text that is short, or that is waited for by drained(). */
  write(text: string | Uint8Array, kept?: Kept): void;
  /** Bytes that are not written yet. */
  readonly pending: number;
  /** The code of the error that the last write failed with; null where it did not. */
  readonly failure: string | null;
  /** Resolves when nothing is pending any more, or `signal` aborts. Keeps the process alive meanwhile. */
  drained(signal?: AbortSignal): Promise<void>;
}

interface Entry {
  bytes: Uint8Array;
  /** What is lost with it. */
  readonly lines: number;
  readonly size: number;
}

/**
 * A descriptor to write to that does not block. The flag belongs to the open file, which other processes share: a pipe or
 * a terminal is opened once more, so that theirs stays as it is. A socket cannot be; Node sets the flag on it.
 */
function createOpening(fd: 1 | 2): () => number {
  let way: 'again' | 'as it is' | null = null;
  const asItIs = (): number => {
    way = 'as it is';
    try {
      // Its getter does it.
      void (fd === 1 ? process.stdout : process.stderr);
    } catch {
      // No stream that Node knows: writing will tell.
    }
    return fd;
  };
  const find = (): 'again' | 'as it is' => {
    try {
      const stat = fstatSync(fd);
      if (stat.isFile()) return 'as it is';
      // Fails where it is open for reading only: opened once more, it would be written to all the same.
      writeSync(fd, new Uint8Array(0));
      return stat.isFIFO() || stat.isCharacterDevice() ? 'again' : 'as it is';
    } catch {
      return 'as it is';
    }
  };
  return () => {
    if (way === null && (way = find()) === 'as it is') return asItIs();
    if (way === 'as it is') return fd;
    try {
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch {
      return asItIs();
    }
  };
}

export function createOutlet(fd: 1 | 2): Outlet {
  const open = createOpening(fd);
  const queue: Entry[] = [];
  const waiting = new Set<() => void>();
  let pending = 0;
  let failure: string | null = null;
  let lost = { lines: 0, bytes: 0 };
  let gap: Kept['gap'] | null = null;
  let timer: NodeJS.Timeout | null = null;
  let pause = SHORTEST;

  const lose = ({ lines, size }: Pick<Entry, 'lines' | 'size'>): void => {
    lost = { lines: lost.lines + lines, bytes: lost.bytes + size };
  };
  const push = (entry: Entry): void => {
    queue.push(entry);
    pending += entry.bytes.length;
  };
  /** Where lines are missing, this is said in their place. */
  const tellGap = (): void => {
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
        pause = SHORTEST;
        pending -= written;
        if (written < first.bytes.length) first.bytes = first.bytes.subarray(written);
        else queue.shift();
      }
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'EAGAIN' || code === 'EINTR') return;
      failure = code ?? 'EIO';
      for (const entry of queue.splice(0)) lose(entry);
      pending = 0;
    } finally {
      if (to !== fd) closeSync(to);
    }
  };

  const flush = (): void => {
    writeAll();
    if (queue.length === 0 && failure === null && lost.lines > 0) {
      tellGap();
      writeAll();
    }
    if (queue.length > 0) return later();
    if (timer !== null) {
      clearTimeout(timer);
      timer = null;
      process.off('exit', lastly);
    }
    for (const wake of [...waiting]) wake();
  };

  const later = (): void => {
    if (timer === null) process.on('exit', lastly);
    else clearTimeout(timer);
    timer = setTimeout(flush, pause);
    if (waiting.size === 0) timer.unref();
    pause = Math.min(pause * 2, LONGEST);
  };

  /** The process ends: whoever still reads is given all of it, whoever does not cannot keep it. */
  const lastly = (): void => {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; pending > 0 && tries < LAST_TRIES; tries += 1) {
      Atomics.wait(cell, 0, 0, LAST_PAUSE);
      const before = pending;
      flush();
      if (pending < before) tries = 0;
    }
  };

  return {
    write(text, kept) {
      const bytes = typeof text === 'string' ? Buffer.from(text) : text;
      const entry = { bytes, lines: 1, size: bytes.length };
      if (kept !== undefined) {
        gap = kept.gap;
        if (pending + bytes.length > kept.bytes) return lose(entry);
        if (lost.lines > 0) tellGap();
      }
      push(entry);
      // While a timer runs the stream was full a moment ago.
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

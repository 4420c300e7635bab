// Reads processes from /proc, for the process table of a host (proc-table.ts) and for the command agent (descendants.ts in
// src/agent). A function that reads throws where no file descriptors are left. It imports only node:fs, since agents load it.
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';

/** A pid alone may name another process by now; with the start time (ticks since boot) it names one process for ever. */
export interface Identity {
  readonly pid: number;
  readonly startTime: number;
}

export interface ProcessEntry extends Identity {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** False for a zombie: it has ended, and its parent has not reaped it yet. */
  readonly living: boolean;
  /** A thread of the kernel, which has no environment. */
  readonly kernel: boolean;
}

export interface PidSource {
  /** The last pid that the system has given to a process or thread. Later ones have higher pids, up to `maxPid`. */
  lastPid(): number;
  readonly maxPid: number;
}

/** The variables with the ids of the instances that a process belongs to: its own first, then those of outer hosts. */
export const COOKIES = ['SPEARLET_INSTANCE_ID=', 'SPEARLET_OUTER_INSTANCE_IDS='].map(name => Buffer.from(name));
/** The most new pids that are read one by one; for more of them a full scan is faster. */
export const MAX_NEW_PIDS = 512;
/** How often new pids are asked for until there are none. */
const MAX_ROUNDS = 32;
/** The kernel's flag for its own threads. */
const KERNEL_THREAD = 0x0020_0000;
const KIB = 1024;

// One buffer for all files, with open, read and close by hand: 11 µs a file, where readFileSync takes 16.
let scratch = Buffer.allocUnsafe(16 * KIB);
/** The process is gone, or may not be read. Any other error is thrown: a lack of descriptors must not count as no process. */
const ABSENT = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EIO'];
const unlessAbsent = (error: unknown): -1 => {
  if (ABSENT.includes((error as NodeJS.ErrnoException).code ?? '')) return -1;
  throw error;
};
/** Reads at least `maxBytes` of a file of /proc into `scratch`, or all of it; returns the length, -1 where there is no file. */
function readInto(path: string, maxBytes: number): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return unlessAbsent(error);
  }
  try {
    let length = 0;
    for (;;) {
      const count = readSync(file, scratch, length, scratch.length - length, length);
      length += count;
      if (count === 0 || length >= maxBytes) return length;
      if (length === scratch.length) scratch = Buffer.concat([scratch, Buffer.allocUnsafe(length)]);
      // A short file comes in one read; an environment comes in pages.
      else if (maxBytes <= 4 * KIB) return length;
    }
  } catch (error) {
    return unlessAbsent(error);
  } finally {
    closeSync(file);
  }
}
/** At least `maxBytes` of a file of /proc, or all of it; null where there is no file. */
export const readText = (path: string, maxBytes = 4 * KIB): string | null => {
  const length = readInto(path, maxBytes);
  return length < 0 ? null : scratch.toString('latin1', 0, length);
};

/** All processes, in any order. */
export const readPids = (): number[] =>
  readdirSync('/proc').flatMap(name => {
    const first = name.charCodeAt(0);
    return first > 48 && first < 58 ? [Number(name)] : [];
  });

export function readEntry(pid: number): ProcessEntry | null {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // pid (name, which may hold anything) state ppid pgrp session tty tpgid flags …
  const fields = stat.slice(stat.lastIndexOf(')') + 2, stat.length).split(' ', 20);
  // A process lives while any of its threads does, also when the first thread has ended and is shown as a zombie.
  const isDead = (fields[0] === 'Z' && Number(fields[17]) <= 1) || fields[0] === 'X';
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: Number(fields[19]),
    living: !isDead,
    kernel: (Number(fields[6]) & KERNEL_THREAD) !== 0,
  };
}

/** The words of these variables of a process. False: its environment may not be read. Undefined: it is empty, as during an exec. */
export function readWords(pid: number, variables: readonly Buffer[]): string[] | false | undefined {
  const length = readInto(`/proc/${pid}/environ`, 8 * KIB * KIB);
  if (length <= 0) return length < 0 ? false : undefined;
  const environment = scratch.subarray(0, length);
  return variables.flatMap(name => {
    let at = environment.indexOf(name);
    while (at > 0 && environment[at - 1] !== 0) at = environment.indexOf(name, at + 1);
    if (at < 0) return [];
    const end = environment.indexOf(0, at);
    return environment.toString('latin1', at + name.length, end < 0 ? length : end).split(' ');
  });
}

/** Threads have pids that `readPids` does not list, but that can be read. */
export const isThread = (pid: number): boolean => readText(`/proc/${pid}/status`)?.includes(`\nTgid:\t${pid}\n`) === false;

const readNumber = (path: string, word: number): number | null => {
  const number = Number(readText(path)?.split(' ')[word]);
  return Number.isInteger(number) ? number : null;
};
/** Null: /proc is not Linux's. */
export const readLastPid = (): number | null => readNumber('/proc/loadavg', 4);
export const readMaxPid = (): number | null => readNumber('/proc/sys/kernel/pid_max', 0);

/** The pids that were given out after one pid, up to another, the newest first. Null: there are more than are read one by one. */
export function pidsBetween(from: number, last: number, maxPid: number): number[] | null {
  const count = (last - from + maxPid) % maxPid;
  // A pid that could not be read is no number.
  return count <= MAX_NEW_PIDS ? Array.from({ length: count }, (_, back) => (last - back + maxPid) % maxPid) : null;
}

/**
 * Reads the pids that were given out since a pid, until there are no new ones. The newest comes first, since its process may fork and
 * exit meanwhile. `complete` is false where there were too many.
 */
export function readNewPids(source: PidSource, from: number, read: (pid: number) => unknown) {
  let lastPid = from;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const last = source.lastPid();
    const pids = pidsBetween(lastPid, last, source.maxPid);
    if (pids === null) return { lastPid: last, complete: false };
    if (pids.length === 0) return { lastPid, complete: true };
    for (const pid of pids) read(pid);
    lastPid = last;
  }
  return { lastPid, complete: false };
}

/** Signals a process if the pid still names it. False: it is gone, or this user may not signal it. */
export function signalProcess({ pid, startTime }: Identity, signal: NodeJS.Signals): boolean {
  try {
    return readEntry(pid)?.startTime === startTime && process.kill(pid, signal);
  } catch {
    // ESRCH: it is gone. EPERM: it belongs to another user. Or its start time could not be read.
    return false;
  }
}

// The system's table of processes, as Linux shows it in /proc: who there is, whose child, since when, with which cookie.
// One of the files that touch the world; elsewhere than on Linux it knows nobody (`works` is false).
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

/** A pid alone may mean somebody else by now; with the start time (ticks since boot) it means one process for ever. */
export interface Identity {
  readonly pid: number;
  readonly startTime: number;
}

export interface ProcessEntry extends Identity {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** False for a zombie: it has ended, and waits for its parent to notice. */
  readonly living: boolean;
  /** One of the kernel's own threads, which have no environment. */
  readonly kernel: boolean;
}

/**
 * The instances that a process belongs to by its environment: its own first, then those of outer hosts, a space between
 * any two. null: none. false: it may not be read. undefined: it is empty, as in an exec.
 */
export type Cookie = string | null | false | undefined;

/** Whatever reads it throws where the system has no file descriptors left. */
export interface ProcessTable {
  readonly works: boolean;
  readonly self: number;
  /** All processes, in no order. */
  pids(): number[];
  /** The pid that was given out last, of processes and threads: who is born later has a higher one, up to `maxPid`. */
  lastPid(): number;
  readonly maxPid: number;
  entry(pid: number): ProcessEntry | null;
  exists(pid: number): boolean;
  /** The group of a process that is still the one that was meant. */
  groupOf(process: Identity): number | null;
  /** Threads have pids that are not listed but can be looked at. */
  isThread(pid: number): boolean;
  cookie(pid: number): Cookie;
  /** Its command line, shortened; never its environment. */
  command(pid: number): string;
  /** What only it holds, plus shared memory and what was swapped, from its counters: an upper bound, in bytes. */
  memory(pid: number): number;
  /** The same with each shared page divided among its holders: exact, and dear. Undefined where it may not be read. */
  exactMemory(pid: number): number | undefined;
  /** Signals a process if it is still the one that was meant. False: it is gone, or not ours to signal. */
  signal(process: Identity, signal: 'SIGTERM' | 'SIGKILL'): boolean;
  /** Signals whoever is in a group. */
  signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Which boot start times count from. */
  bootId(): string;
  /** Which pid namespace pids are of, as a number in text. */
  pidSpace(): string;
  /** The next turn of the event loop. */
  turn(): Promise<void>;
}

const COOKIES = ['SPEARLET_INSTANCE_ID=', 'SPEARLET_OUTER_INSTANCE_IDS='].map(name => Buffer.from(name));
const MAX_COMMAND = 200;
/** The kernel's flag for its own threads. */
const KERNEL_THREAD = 0x0020_0000;
const KIB = 1024;

// Opened, read and closed by hand into one buffer: 11 µs a file, against 16 of readFileSync.
let scratch = Buffer.allocUnsafe(16 * KIB);
/** Gone, or not for us. Anything else, such as no file descriptors, must not look like nobody there: it is thrown. */
const ABSENT = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EIO'];
const unlessAbsent = (error: unknown): -1 => {
  if (ABSENT.includes((error as NodeJS.ErrnoException).code ?? '')) return -1;
  throw error;
};
/** Reads a file of /proc into `scratch`, up to so many bytes; -1 where there is none. */
function load(path: string, maxBytes: number): number {
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
      // Most files come in one piece; an environment comes in pages.
      else if (maxBytes <= 4 * KIB) return length;
    }
  } catch (error) {
    return unlessAbsent(error);
  } finally {
    closeSync(file);
  }
}
const text = (path: string, maxBytes: number): string | null => {
  const length = load(path, maxBytes);
  return length < 0 ? null : scratch.toString('latin1', 0, length);
};

/** The number after `name` in kB, as bytes. */
function field(lines: string, name: string): number | undefined {
  const at = lines.indexOf(`\n${name}:`);
  return at < 0 ? undefined : Number.parseInt(lines.slice(at + name.length + 2, at + name.length + 40), 10) * KIB;
}

function entry(pid: number): ProcessEntry | null {
  const stat = text(`/proc/${pid}/stat`, 4 * KIB);
  if (stat === null) return null;
  // pid (name, which may hold anything) state ppid pgrp session tty tpgid flags …
  const fields = stat.slice(stat.lastIndexOf(')') + 2, stat.length).split(' ', 20);
  // The first thread may have ended before the others: then it lives.
  const ended = (fields[0] === 'Z' && Number(fields[17]) <= 1) || fields[0] === 'X';
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: Number(fields[19]),
    living: !ended,
    kernel: (Number(fields[6]) & KERNEL_THREAD) !== 0,
  };
}

function cookie(pid: number): Cookie {
  const length = load(`/proc/${pid}/environ`, 8 * KIB * KIB);
  if (length <= 0) return length < 0 ? false : undefined;
  const environment = scratch.subarray(0, length);
  const ids = COOKIES.flatMap(name => {
    let at = environment.indexOf(name);
    while (at > 0 && environment[at - 1] !== 0) at = environment.indexOf(name, at + 1);
    if (at < 0) return [];
    const end = environment.indexOf(0, at);
    return [environment.toString('latin1', at + name.length, end < 0 ? length : end)];
  });
  return ids.length === 0 ? null : ids.join(' ');
}

const attempt = (act: () => void): boolean => {
  try {
    act();
    return true;
  } catch {
    // ESRCH: gone. EPERM: it has changed its user, and is not ours to end. Or it could not be made sure who it is.
    return false;
  }
};

export const processTable: ProcessTable = {
  works: text('/proc/self/stat', 64) !== null && text('/proc/loadavg', 64) !== null,
  self: process.pid,
  pids: () =>
    readdirSync('/proc').flatMap(name => {
      const first = name.charCodeAt(0);
      return first > 48 && first < 58 ? [Number(name)] : [];
    }),
  lastPid: () => Number(text('/proc/loadavg', 64)?.split(' ')[4] ?? 0),
  maxPid: Number(text('/proc/sys/kernel/pid_max', 64) ?? 32_768),
  entry,
  exists: pid => existsSync(`/proc/${pid}`),
  groupOf: ({ pid, startTime }) => {
    const now = entry(pid);
    return now?.startTime === startTime ? now.group : null;
  },
  isThread: pid => {
    const status = text(`/proc/${pid}/status`, 4 * KIB);
    return status !== null && !status.includes(`\nTgid:\t${pid}\n`);
  },
  cookie,
  command: pid => (text(`/proc/${pid}/cmdline`, MAX_COMMAND) ?? '').slice(0, MAX_COMMAND).replaceAll('\0', ' ').trimEnd(),
  memory: pid => {
    const status = text(`/proc/${pid}/status`, 4 * KIB) ?? '';
    return (field(status, 'RssAnon') ?? 0) + (field(status, 'RssShmem') ?? 0) + (field(status, 'VmSwap') ?? 0);
  },
  exactMemory: pid => {
    const rollup = text(`/proc/${pid}/smaps_rollup`, 4 * KIB) ?? '';
    const anonymous = field(rollup, 'Pss_Anon');
    if (anonymous === undefined) return undefined;
    return anonymous + (field(rollup, 'Pss_Shmem') ?? 0) + (field(rollup, 'SwapPss') ?? 0);
  },
  signal: ({ pid, startTime }, name) =>
    attempt(() => {
      if (entry(pid)?.startTime !== startTime) throw new Error('it is gone');
      process.kill(pid, name);
    }),
  signalGroup: (group, name) => void attempt(() => process.kill(-group, name)),
  bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
  pidSpace: () => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0',
  turn: () => new Promise(resolve => setImmediate(resolve)),
};

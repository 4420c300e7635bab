// The process table of the system, as Linux shows it in /proc: pid, parent, group, start time and cookie of each process.
// One of the files that touch the world. On other systems `works` is false, and the table is empty.
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

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

/**
 * The ids of the instances that a process belongs to by its environment, separated by spaces: its own first, then those of
 * outer hosts. null: there are none. false: the environment may not be read. undefined: it is empty, as during an exec.
 */
export type Cookie = string | null | false | undefined;

/** Every function that reads the table throws where no file descriptors are left. */
export interface ProcessTable {
  readonly works: boolean;
  /** The pid of this process. */
  readonly self: number;
  /** All processes, in any order. */
  pids(): number[];
  /** The last pid that the system has given to a process or thread. Later ones have higher pids, up to `maxPid`. */
  lastPid(): number;
  readonly maxPid: number;
  entry(pid: number): ProcessEntry | null;
  exists(pid: number): boolean;
  /** The process group; null where the pid names another process by now, or none. */
  groupOf(process: Identity): number | null;
  /** Threads have pids that `pids` does not list, but that can be read. */
  isThread(pid: number): boolean;
  cookie(pid: number): Cookie;
  /** The command line, shortened; never the environment. */
  command(pid: number): string;
  /** Private, shared and swapped memory, from the counters of the process: an upper bound, in bytes. */
  memory(pid: number): number;
  /** The same, with each shared page divided among its holders: exact, but slow. Undefined where it may not be read. */
  exactMemory(pid: number): number | undefined;
  /** Signals a process if the pid still names it. False: it is gone, or this user may not signal it. */
  signal(process: Identity, signal: NodeJS.Signals): boolean;
  /** Signals every process of a group. */
  signalGroup(group: number, signal: NodeJS.Signals): void;
  /** The id of the boot that start times count from. */
  bootId(): string;
  /** The pid namespace that pids belong to, as a number in text. */
  pidNamespace(): string;
  /** Resolves in the next turn of the event loop. */
  turn(): Promise<void>;
}

const COOKIES = ['SPEARLET_INSTANCE_ID=', 'SPEARLET_OUTER_INSTANCE_IDS='].map(name => Buffer.from(name));
const MAX_COMMAND = 200;
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
const readText = (path: string, maxBytes: number): string | null => {
  const length = readInto(path, maxBytes);
  return length < 0 ? null : scratch.toString('latin1', 0, length);
};

/** The number after `name` in kB, as bytes. */
function field(lines: string, name: string): number | undefined {
  const at = lines.indexOf(`\n${name}:`);
  return at < 0 ? undefined : Number.parseInt(lines.slice(at + name.length + 2, at + name.length + 40), 10) * KIB;
}

function entry(pid: number): ProcessEntry | null {
  const stat = readText(`/proc/${pid}/stat`, 4 * KIB);
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

function cookie(pid: number): Cookie {
  const length = readInto(`/proc/${pid}/environ`, 8 * KIB * KIB);
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

const succeeds = (act: () => void): boolean => {
  try {
    act();
    return true;
  } catch {
    // ESRCH: it is gone. EPERM: it belongs to another user. Or its start time could not be read.
    return false;
  }
};

export const processTable: ProcessTable = {
  works: readText('/proc/self/stat', 64) !== null && readText('/proc/loadavg', 64) !== null,
  self: process.pid,
  pids: () =>
    readdirSync('/proc').flatMap(name => {
      const first = name.charCodeAt(0);
      return first > 48 && first < 58 ? [Number(name)] : [];
    }),
  lastPid: () => Number(readText('/proc/loadavg', 64)?.split(' ')[4] ?? 0),
  maxPid: Number(readText('/proc/sys/kernel/pid_max', 64) ?? 32_768),
  entry,
  exists: pid => existsSync(`/proc/${pid}`),
  groupOf: ({ pid, startTime }) => {
    const now = entry(pid);
    return now?.startTime === startTime ? now.group : null;
  },
  isThread: pid => {
    const status = readText(`/proc/${pid}/status`, 4 * KIB);
    return status !== null && !status.includes(`\nTgid:\t${pid}\n`);
  },
  cookie,
  command: pid => (readText(`/proc/${pid}/cmdline`, MAX_COMMAND) ?? '').slice(0, MAX_COMMAND).replaceAll('\0', ' ').trimEnd(),
  memory: pid => {
    const status = readText(`/proc/${pid}/status`, 4 * KIB) ?? '';
    return (field(status, 'RssAnon') ?? 0) + (field(status, 'RssShmem') ?? 0) + (field(status, 'VmSwap') ?? 0);
  },
  exactMemory: pid => {
    const rollup = readText(`/proc/${pid}/smaps_rollup`, 4 * KIB) ?? '';
    const anonymous = field(rollup, 'Pss_Anon');
    if (anonymous === undefined) return undefined;
    return anonymous + (field(rollup, 'Pss_Shmem') ?? 0) + (field(rollup, 'SwapPss') ?? 0);
  },
  signal: ({ pid, startTime }, name) =>
    succeeds(() => {
      if (entry(pid)?.startTime !== startTime) throw new Error('the process is gone');
      process.kill(pid, name);
    }),
  signalGroup: (group, name) => void succeeds(() => process.kill(-group, name)),
  bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
  pidNamespace: () => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0',
  turn: () => new Promise(resolve => setImmediate(resolve)),
};

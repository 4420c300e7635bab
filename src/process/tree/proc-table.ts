// The process table of the system, as Linux shows it in /proc: pid, parent, group, start time and cookie of each process.
// proc-read.ts reads it. On other systems `works` is false, and the table is empty.
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import {
  COOKIES,
  type Identity,
  isThread,
  type PidSource,
  type ProcessEntry,
  readEntry,
  readLastPid,
  readMaxPid,
  readPids,
  readText,
  readWords,
  signalProcess,
} from './proc-read.ts';

export type { Identity, ProcessEntry } from './proc-read.ts';

/**
 * The ids of the instances that a process belongs to by its environment, separated by spaces: its own first, then those of
 * outer hosts. null: there are none. false: the environment may not be read. undefined: it is empty, as during an exec.
 */
export type Cookie = string | null | false | undefined;

/** Every function that reads the table throws where no file descriptors are left. */
export interface ProcessTable extends PidSource {
  readonly works: boolean;
  /** The pid of this process. */
  readonly self: number;
  /** All processes, in any order. */
  pids(): number[];
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

const MAX_COMMAND = 200;
const KIB = 1024;

/** The number after `name` in kB, as bytes. */
function field(lines: string, name: string): number | undefined {
  const at = lines.indexOf(`\n${name}:`);
  return at < 0 ? undefined : Number.parseInt(lines.slice(at + name.length + 2, at + name.length + 40), 10) * KIB;
}

function cookie(pid: number): Cookie {
  const ids = readWords(pid, COOKIES);
  if (!ids) return ids;
  return ids.length === 0 ? null : ids.join(' ');
}

export const processTable: ProcessTable = {
  works: readText('/proc/self/stat') !== null && readLastPid() !== null,
  self: process.pid,
  pids: readPids,
  lastPid: () => readLastPid() ?? 0,
  maxPid: readMaxPid() ?? 32_768,
  entry: readEntry,
  exists: pid => existsSync(`/proc/${pid}`),
  groupOf: ({ pid, startTime }) => {
    const now = readEntry(pid);
    return now?.startTime === startTime ? now.group : null;
  },
  isThread,
  cookie,
  command: pid => (readText(`/proc/${pid}/cmdline`, MAX_COMMAND) ?? '').slice(0, MAX_COMMAND).replaceAll('\0', ' ').trimEnd(),
  memory: pid => {
    const status = readText(`/proc/${pid}/status`) ?? '';
    return (field(status, 'RssAnon') ?? 0) + (field(status, 'RssShmem') ?? 0) + (field(status, 'VmSwap') ?? 0);
  },
  exactMemory: pid => {
    const rollup = readText(`/proc/${pid}/smaps_rollup`) ?? '';
    const anonymous = field(rollup, 'Pss_Anon');
    if (anonymous === undefined) return undefined;
    return anonymous + (field(rollup, 'Pss_Shmem') ?? 0) + (field(rollup, 'SwapPss') ?? 0);
  },
  signal: signalProcess,
  signalGroup(group, name) {
    try {
      process.kill(-group, name);
    } catch {
      // ESRCH: it is empty. EPERM: it belongs to another user.
    }
  },
  bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
  pidNamespace: () => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0',
  turn: () => new Promise(resolve => setImmediate(resolve)),
};

// Reads the processes of this system from /proc: parents, groups, and the execution ids in their environments. Finds no
// process if there is no /proc, or if /proc shows another pid namespace.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Processes may be started during a scan, so it is repeated. A scan takes about 40 µs for each process. */
const MAX_SCANS = 20;

/** A pid alone may belong to another process later. With the start time it means one process for ever. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: number;
}

export interface ProcessEntry extends ProcessId {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** All living processes at one moment. */
export interface ProcessScan {
  /** By pid. */
  readonly entries: ReadonlyMap<number, ProcessEntry>;
  /** By the parent's pid. */
  readonly children: ReadonlyMap<number, readonly ProcessEntry[]>;
  /** By the number of the group, and of the session. */
  readonly inGroup: ReadonlyMap<number, readonly ProcessEntry[]>;
  /** Processes with this execution id in their environment. */
  ofExecution(executionId: string): readonly ProcessEntry[];
  /**
   * Whether there may be more: a process that is not older than this has no environment, so it begins to execute a program, or has
   * cleared it; or more processes were born during the scan than it could follow.
   */
  hasBeginning(since: number): boolean;
}

/** Null: there is no /proc, or it shows another pid namespace, whose numbers mean other processes. */
function allPids(): number[] | null {
  try {
    if (readlinkSync('/proc/self') !== String(process.pid)) return null;
    return readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? [Number(name)] : []));
  } catch {
    return null;
  }
}

/** Null: the process is gone, or it is a zombie. */
export function entryOf(pid: number): ProcessEntry | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // pid (name, which may hold anything) state parent group session …; the 22nd is the start time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 20);
    if (fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1)) return null;
    const [parent, group, session, startTime] = [fields[1], fields[2], fields[3], fields[19]].map(Number) as [
      number,
      number,
      number,
      number,
    ];
    return { pid, parent, group, session, startTime };
  } catch {
    return null;
  }
}

/** The words of one variable. */
function wordsIn(environment: string, name: string): string[] {
  const at = environment.indexOf(`\0${name}=`);
  if (at < 0) return [];
  const from = at + name.length + 2;
  return environment.slice(from, environment.indexOf('\0', from)).split(' ');
}

/** The parent of all threads of the kernel, which have no environment. */
const KERNEL_THREADS = 2;
/** An environment without a variable, with a NUL at both ends. */
const EMPTY = '\0\0';

/** The environment with which the process was started, with a NUL at both ends. */
function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`;
  } catch {
    // The process is gone, or this user may not read it.
    return '';
  }
}

const push = <Key>(map: Map<Key, ProcessEntry[]>, key: Key, entry: ProcessEntry): void => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [entry]);
  else list.push(entry);
};

/** How often a scan asks for the pids that were given out meanwhile, and the most that it reads one by one. */
const MAX_ROUNDS = 32;
const MAX_NEW_PIDS = 512;
/** A pid is given out a moment before its process can be seen: so many of the last ones are read again. */
const UNSEEN_PIDS = 16;

/** A thread has a number like a process, and is not in the list of pids. */
function isThread(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/status`, 'latin1').includes(`\nTgid:\t${pid}\n`);
  } catch {
    // The process is gone.
    return true;
  }
}

/** The pid that was given out last, and the number of pids. */
const lastPid = (): number => Number(readFileSync('/proc/loadavg', 'latin1').trim().split(' ')[4]);
const maxPid = (): number => Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1'));

/**
 * Null: processes cannot be read here. A parent that ends during the scan may have left a child that is not in the list of pids, so the
 * pids that were given out since the scan began are read until there are no new ones.
 */
export function scanProcesses(): ProcessScan | null {
  const entries = new Map<number, ProcessEntry>();
  const children = new Map<number, ProcessEntry[]>();
  const inGroup = new Map<number, ProcessEntry[]>();
  const byExecution = new Map<string, ProcessEntry[]>();
  const beginning: ProcessEntry[] = [];
  // A process that is older than this agent cannot be its descendant.
  const agentStart = entryOf(process.pid)?.startTime ?? 0;
  const add = (pid: number): void => {
    const entry = entries.has(pid) ? null : entryOf(pid);
    if (entry === null) return;
    entries.set(pid, entry);
    push(children, entry.parent, entry);
    push(inGroup, entry.group, entry);
    if (entry.session !== entry.group) push(inGroup, entry.session, entry);
    if (entry.startTime < agentStart || pid === process.pid) return;
    const environment = environmentOf(pid);
    for (const id of wordsIn(environment, 'SPEARLET_EXECUTION_ID')) push(byExecution, id, entry);
    if (environment === EMPTY && entry.parent !== KERNEL_THREADS) beginning.push(entry);
  };
  /** False: too many processes are born. */
  const follow = (from: number, pids: number): boolean => {
    let before = from;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const last = lastPid();
      const count = (last - before + pids) % pids;
      if (count === 0) return true;
      if (count > MAX_NEW_PIDS) return false;
      for (let back = 0; back < count; back += 1) {
        const pid = (last - back + pids) % pids;
        if (!isThread(pid)) add(pid);
      }
      before = last;
    }
    return false;
  };
  let isWhole: boolean;
  try {
    const [from, pids] = [lastPid(), maxPid()];
    const listed = allPids();
    if (listed === null) return null;
    for (const pid of listed) add(pid);
    isWhole = follow((from - UNSEEN_PIDS + pids) % pids, pids);
  } catch {
    // /proc is not Linux's.
    return null;
  }
  return {
    entries,
    children,
    inGroup,
    ofExecution: executionId => byExecution.get(executionId) ?? [],
    hasBeginning: since => !isWhole || beginning.some(({ startTime }) => startTime >= since),
  };
}

/** Signals a process, unless its pid belongs to another process by now. */
export function signalProcess({ pid, startTime }: ProcessId, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    if (entryOf(pid)?.startTime === startTime) process.kill(pid, name);
  } catch {
    // The process is gone, or belongs to another user.
  }
}

/** Whether a process belongs to the instance, directly or through a host that runs inside the instance. */
function belongsTo(instanceId: string, pid: number): boolean {
  const environment = environmentOf(pid);
  return ['SPEARLET_INSTANCE_ID', 'SPEARLET_OUTER_INSTANCE_IDS'].some(name => wordsIn(environment, name).includes(instanceId));
}

/**
 * Kills all other processes of this agent's instance, also those that left its group. It blocks, because it runs when the
 * process exits. It skips processes that are older than the agent: they cannot be its descendants.
 */
export function killInstanceProcesses(instanceId: string): void {
  const agentStart = entryOf(process.pid)?.startTime ?? Number.POSITIVE_INFINITY;
  for (let scans = 0; scans < MAX_SCANS; scans += 1) {
    const found = (allPids() ?? [])
      .filter(pid => pid !== process.pid)
      .flatMap(pid => entryOf(pid) ?? [])
      .filter(({ pid, startTime }) => startTime >= agentStart && belongsTo(instanceId, pid));
    if (found.length === 0) return;
    for (const entry of found) signalProcess(entry, 'SIGKILL');
  }
}

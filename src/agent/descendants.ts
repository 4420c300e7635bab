// Finds the processes of this system by what /proc shows: parents, groups, and the execution ids in their environments. Finds no
// process if there is no /proc, or if /proc shows another pid namespace. Unlike a host (src/process/tree), the agent keeps nothing
// between two scans, and reads no environment of a process that is older than the agent.
import { readlinkSync } from 'node:fs';
import {
  COOKIES,
  isThread,
  type ProcessEntry,
  readEntry,
  readLastPid,
  readMaxPid,
  readNewPids,
  readPids,
  readWords,
  signalProcess,
} from '../process/tree/proc-read.ts';

/** Processes may be started during a scan, so it is repeated. A scan takes about 25 µs for each process. */
const MAX_SCANS = 20;

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

/** Where no file descriptors are left, a host tries again later; the agent goes on without what it cannot read. */
function unlessUnreadable<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** Null: there is no /proc, or it shows another pid namespace, whose numbers mean other processes. */
const allPids = () => unlessUnreadable(() => (readlinkSync('/proc/self') === String(process.pid) ? readPids() : null), null);

/** Null: the process is gone, or it is a zombie. */
export function entryOf(pid: number): ProcessEntry | null {
  const entry = unlessUnreadable(() => readEntry(pid), null);
  return entry?.living ? entry : null;
}

const EXECUTION_IDS = [Buffer.from('SPEARLET_EXECUTION_ID=')];
/** Undefined: the environment is empty. */
const wordsOf = (pid: number, variables: readonly Buffer[]) =>
  unlessUnreadable(() => {
    const words = readWords(pid, variables);
    return words === false ? [] : words;
  }, []);

const push = <Key>(map: Map<Key, ProcessEntry[]>, key: Key, entry: ProcessEntry): void => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [entry]);
  else list.push(entry);
};

/** A pid is given out a moment before its process can be seen: so many of the last ones are read again. A host notes them instead. */
const UNSEEN_PIDS = 16;

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
    const ids = wordsOf(pid, EXECUTION_IDS);
    for (const id of ids ?? []) push(byExecution, id, entry);
    if (ids === undefined && !entry.kernel) beginning.push(entry);
  };
  let isWhole: boolean;
  try {
    const [from, maxPid, listed] = [readLastPid(), readMaxPid(), allPids()];
    if (from === null || maxPid === null || listed === null) return null;
    for (const pid of listed) add(pid);
    isWhole = readNewPids({ lastPid: () => readLastPid() ?? Number.NaN, maxPid }, (from - UNSEEN_PIDS + maxPid) % maxPid, pid => {
      if (!unlessUnreadable(() => isThread(pid), true)) add(pid);
    }).complete;
  } catch {
    // No file descriptors are left.
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

/**
 * Kills all other processes of this agent's instance, also those that left its group, and those of a host inside the instance. It
 * blocks, because it runs when the process exits. It skips processes that are older than the agent: they cannot be its descendants.
 */
export function killInstanceProcesses(instanceId: string): void {
  const agentStart = entryOf(process.pid)?.startTime ?? Number.POSITIVE_INFINITY;
  for (let scans = 0; scans < MAX_SCANS; scans += 1) {
    const found = (allPids() ?? [])
      .filter(pid => pid !== process.pid)
      .flatMap(pid => entryOf(pid) ?? [])
      .filter(({ pid, startTime }) => startTime >= agentStart && wordsOf(pid, COOKIES)?.includes(instanceId));
    if (found.length === 0) return;
    for (const entry of found) signalProcess(entry, 'SIGKILL');
  }
}

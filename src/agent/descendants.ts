// The processes of this system as /proc shows them: whose child each is, and what its environment says it came of. Where
// there is no /proc, or it is that of another pid namespace, nobody is found.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** How often one looks for who was born meanwhile; each look takes about 40 µs a process. */
const LOOKS = 20;

/** A pid alone may mean somebody else by now; with the start time it means one process for ever. */
export interface Identity {
  readonly pid: number;
  readonly startTime: number;
}

export interface Entry extends Identity {
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** Everybody who lives, as of one moment. */
export interface Look {
  readonly entries: ReadonlyMap<number, Entry>;
  /** By the parent's pid. */
  readonly children: ReadonlyMap<number, readonly Entry[]>;
  /** Those in a group or session of that number. */
  readonly inGroup: ReadonlyMap<number, readonly Entry[]>;
  /** Those who carry that execution id, read when first asked for. */
  ofExecution(executionId: string): readonly Entry[];
}

/** Null: there is no /proc; or it is that of another pid namespace, and the numbers there are not ours. */
function everybody(): number[] | null {
  try {
    if (readlinkSync('/proc/self') !== String(process.pid)) return null;
    return readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? [Number(name)] : []));
  } catch {
    return null;
  }
}

/** Null: it is gone, or has ended and waits for its parent to notice. */
export function entryOf(pid: number): Entry | null {
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

/** The words of a variable in a process's environment. */
function wordsIn(environment: string, name: string): string[] {
  const at = environment.indexOf(`\0${name}=`);
  if (at < 0) return [];
  const from = at + name.length + 2;
  return environment.slice(from, environment.indexOf('\0', from)).split(' ');
}

/** As the process began. With a NUL at both ends. */
function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`;
  } catch {
    // Gone, or not for us to read.
    return '';
  }
}

const push = <Key>(map: Map<Key, Entry[]>, key: Key, entry: Entry): void => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [entry]);
  else list.push(entry);
};

/** Null where nobody can be seen. */
export function look(): Look | null {
  const pids = everybody();
  if (pids === null) return null;
  const entries = new Map<number, Entry>();
  const children = new Map<number, Entry[]>();
  const inGroup = new Map<number, Entry[]>();
  for (const pid of pids) {
    const entry = entryOf(pid);
    if (entry === null) continue;
    entries.set(pid, entry);
    push(children, entry.parent, entry);
    push(inGroup, entry.group, entry);
    if (entry.session !== entry.group) push(inGroup, entry.session, entry);
  }
  const since = entries.get(process.pid)?.startTime ?? 0;
  let byExecution: Map<string, Entry[]> | null = null;
  return {
    entries,
    children,
    inGroup,
    ofExecution(executionId) {
      if (byExecution === null) {
        byExecution = new Map();
        for (const entry of entries.values()) {
          // Nothing that is older than this agent came of it.
          if (entry.startTime < since || entry.pid === process.pid) continue;
          for (const id of wordsIn(environmentOf(entry.pid), 'SPEARLET_EXECUTION_ID')) push(byExecution, id, entry);
        }
      }
      return byExecution.get(executionId) ?? [];
    },
  };
}

/** Signals a process if it is still the one that was meant. */
export function signalProcess({ pid, startTime }: Identity, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    if (entryOf(pid)?.startTime === startTime) process.kill(pid, name);
  } catch {
    // Gone meanwhile, or another user's.
  }
}

/** Itself, or by way of a host inside of it. */
function isOf(instanceId: string, pid: number): boolean {
  const environment = environmentOf(pid);
  return ['SPEARLET_INSTANCE_ID', 'SPEARLET_OUTER_INSTANCE_IDS'].some(name => wordsIn(environment, name).includes(instanceId));
}

/**
 * Kills what has come of this agent, wherever it went, blocking: for an agent whose host is gone, which would do it
 * otherwise. Nothing that is older than the agent came of it, whatever its environment says.
 */
export function endInstance(instanceId: string): void {
  const since = entryOf(process.pid)?.startTime ?? Number.POSITIVE_INFINITY;
  for (let looks = 0; looks < LOOKS; looks += 1) {
    const found = (everybody() ?? [])
      .filter(pid => pid !== process.pid)
      .flatMap(pid => entryOf(pid) ?? [])
      .filter(({ pid, startTime }) => startTime >= since && isOf(instanceId, pid));
    if (found.length === 0) return;
    for (const each of found) signalProcess(each, 'SIGKILL');
  }
}

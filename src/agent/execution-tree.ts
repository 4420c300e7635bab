// Ends all processes of one execution: SIGTERM first, SIGKILL after the grace. It finds them by their group and session, which
// belong to the execution alone, by their parents, and by the execution id in their environment.
//
// The limit: a process is not found if it clears its environment, leaves group and session, and its parent ends before the
// first scan. Scans begin when the execution has to end, and go on until none of its processes lives.
import { type ProcessEntry, signalProcess } from '../process/tree/proc-read.ts';
import { clock, defer, laterUnlessEnded } from './clock.ts';
import { entryOf, type ProcessScan, scanProcesses } from './descendants.ts';

export interface ExecutionTree {
  /** Resolves with 0 when no process lives; or, some time after SIGKILL, with the number of processes that still live. */
  end(grace: number): Promise<number>;
  /** The same for what the program has left behind. It begins within SWEEP_DELAY, if anything lives. */
  endRest(grace: number): Promise<number>;
  /** Sends SIGKILL to all processes that this scan shows. Returns whether there was one. */
  kill(scan: ProcessScan | null): boolean;
}

/** How long processes may live after SIGKILL, in ms. */
const KILL_TIMEOUT = 2_000;
/** Programs that end within this time share one scan, which takes some milliseconds. In ms. */
const SWEEP_DELAY = 100;
/** The number of scans of killTrees(), which cannot wait between them. */
const MAX_SCANS = 20;
/**
 * A process has no environment while it begins to execute a program, which takes long on a busy system. A process that has none
 * for this long, in ms, has cleared it.
 */
const BEGIN_TIMEOUT = 500;
/** The pauses between two scans, in ms. */
const PAUSE = { first: 5, longest: 50 };

let nextScan: Promise<ProcessScan | null> | null = null;
/** Executions that end in the same turn share one scan. */
function sharedScan(): Promise<ProcessScan | null> {
  nextScan ??= new Promise(resolve =>
    defer(() => {
      nextScan = null;
      resolve(scanProcesses());
    }),
  );
  return nextScan;
}

let nextSweep: Promise<void> | null = null;
function sharedSweep(): Promise<void> {
  nextSweep ??= new Promise(resolve =>
    // An agent that ends meanwhile kills the rest at its exit.
    laterUnlessEnded(() => {
      nextSweep = null;
      resolve();
    }, SWEEP_DELAY),
  );
  return nextSweep;
}

/** Sends SIGKILL to all processes of these executions. It blocks, for an agent that is about to exit. */
export function killTrees(trees: Iterable<ExecutionTree>): void {
  let left = [...trees];
  for (let scans = 0; scans < MAX_SCANS && left.length > 0; scans += 1) {
    const scan = scanProcesses();
    left = left.filter(tree => tree.kill(scan));
  }
}

/** `pid` is a program that was just spawned as the leader of its own group. */
export function trackTree(pid: number, executionId: string, signal = signalProcess): ExecutionTree {
  /** Older processes cannot be its descendants. Null: the time could not be read. */
  const rootStart = entryOf(pid)?.startTime ?? null;
  /** The number of the group still means this group. While a process is in the group, the system does not reuse its number. */
  let ownsGroup = true;
  let members: readonly ProcessEntry[] = [];
  let ended: Promise<number> | null = null;

  /** Updates the members. Returns whether one of them lives. */
  const refresh = (scan: ProcessScan | null): boolean => {
    // Without /proc only the group is known.
    if (scan === null) return members.length > 0 || signalGroup(pid, 0);
    const found = new Set<ProcessEntry>();
    const add = (entries: Iterable<ProcessEntry>): void => {
      for (const entry of entries) if (entry.startTime >= (rootStart ?? 0) && entry.pid !== process.pid) found.add(entry);
    };
    const group = scan.inGroup.get(pid) ?? [];
    const leader = scan.entries.get(pid);
    const reused = leader !== undefined && rootStart !== null && leader.startTime !== rootStart;
    if (group.length === 0 || reused) ownsGroup = false;
    if (ownsGroup) add(group);
    for (const { pid: known, startTime } of members) {
      const entry = scan.entries.get(known);
      // A process that was found once stays a member after it is reparented or leaves the group.
      if (entry?.startTime === startTime) add([entry]);
    }
    add(scan.ofExecution(executionId));
    // The loop also visits the entries that it adds: so grandchildren are found too.
    for (const entry of found) add(scan.children.get(entry.pid) ?? []);
    members = [...found];
    return members.length > 0;
  };
  /** Whether a process has no environment yet: it may belong here, and only a later scan can show it. */
  const hasBeginning = (scan: ProcessScan | null): boolean => scan?.hasBeginning(rootStart ?? 0) ?? false;
  const signalAll = (name: 'SIGTERM' | 'SIGKILL'): void => {
    // First the whole group at once, so that no member can react to the end of another. Then those that left the group.
    if (ownsGroup) signalGroup(pid, name);
    for (const member of members) if (!ownsGroup || member.group !== pid) signal(member, name);
  };
  const end = async (grace: number): Promise<number> => {
    refresh(await sharedScan());
    signalAll('SIGTERM');
    const deadline = clock.now() + grace;
    let emptySince: number | null = null;
    for (let wait = PAUSE.first; ; wait = Math.min(2 * wait, PAUSE.longest)) {
      await new Promise<void>(resolve => void clock.setTimeout(resolve, wait));
      const scan = await sharedScan();
      if (refresh(scan)) emptySince = null;
      else {
        emptySince ??= clock.now();
        if (!hasBeginning(scan) || clock.now() - emptySince >= BEGIN_TIMEOUT) return 0;
      }
      const overdue = clock.now() - deadline;
      if (overdue >= 0) signalAll('SIGKILL');
      if (overdue >= KILL_TIMEOUT) return Math.max(1, members.length);
    }
  };

  return {
    end(grace) {
      ended ??= end(grace);
      return ended;
    },
    async endRest(grace) {
      await sharedSweep();
      const scan = await sharedScan();
      return ended !== null || refresh(scan) || hasBeginning(scan) ? this.end(grace) : 0;
    },
    kill(scan) {
      const isAlive = refresh(scan);
      if (isAlive) signalAll('SIGKILL');
      return isAlive;
    },
  };
}

/** False: the group is empty, or belongs to another user. */
function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}

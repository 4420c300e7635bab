// Everything that came of one execution: SIGTERM first, SIGKILL to whoever is left at the end of the grace. Its processes
// are known by their group and session, which are the execution's own, by their parents, and by the execution id in their
// environment. It does not know what was executed.
//
// Its limit: a process that clears its environment, leaves group and session, and whose parent ends before anybody looked
// is not found. A look comes when the execution has to end, and then until nothing of it lives.
import { clock, soon } from './clock.ts';
import { type Entry, entryOf, type Look, look, signalProcess } from './descendants.ts';

export interface ExecutionTree {
  /** Resolves when nothing of it lives, with 0; or, some time after SIGKILL, with how many processes live still. */
  end(grace: number): Promise<number>;
  /** SIGKILL to all of it, blocking: for an agent that is about to exit. */
  endNow(): void;
}

/** How long SIGKILL may take, in ms, and how often one looks when there is no time to wait. */
const KILL_WITHIN = 2_000;
const LOOKS = 20;
/** The pauses between two looks, in ms. */
const PAUSE = { first: 5, longest: 50 };

let next: Promise<Look | null> | null = null;
/** Executions that end at once share their looks. */
function sharedLook(): Promise<Look | null> {
  next ??= new Promise(resolve =>
    soon(() => {
      next = null;
      resolve(look());
    }),
  );
  return next;
}

/** Of a program that was just spawned, in a group of its own. */
export function plantTree(pid: number, executionId: string, signal = signalProcess): ExecutionTree {
  /** Nothing older can have come of it. Null: it could not be read. */
  const born = entryOf(pid)?.startTime ?? null;
  /** The pid still names the group: nobody else can have been given it. */
  let held = true;
  let members: readonly Entry[] = [];
  let ended: Promise<number> | null = null;

  /** Says whether something of it lives. */
  const refresh = (now: Look | null): boolean => {
    // Without /proc there is the group.
    if (now === null) return members.length > 0 || signalGroup(pid, 0);
    const found = new Set<Entry>();
    const add = (entries: Iterable<Entry>): void => {
      for (const entry of entries) if (entry.startTime >= (born ?? 0) && entry.pid !== process.pid) found.add(entry);
    };
    const group = now.inGroup.get(pid) ?? [];
    const holder = now.entries.get(pid);
    if (group.length === 0 || (holder !== undefined && born !== null && holder.startTime !== born)) held = false;
    if (held) add(group);
    for (const { pid: known, startTime } of members) {
      const entry = now.entries.get(known);
      // Who was found once is known again after it has cut all ties.
      if (entry?.startTime === startTime) add([entry]);
    }
    add(now.ofExecution(executionId));
    // The set grows while it is walked: children come before grandchildren.
    for (const entry of found) add(now.children.get(entry.pid) ?? []);
    members = [...found];
    return members.length > 0;
  };
  const signalAll = (name: 'SIGTERM' | 'SIGKILL'): void => {
    // The group in one go, so that nobody in it is seen to die by another; then those who have left it.
    if (held) signalGroup(pid, name);
    for (const member of members) if (!held || member.group !== pid) signal(member, name);
  };
  const end = async (grace: number): Promise<number> => {
    refresh(await sharedLook());
    signalAll('SIGTERM');
    const deadline = clock.now() + grace;
    for (let wait = PAUSE.first; ; wait = Math.min(2 * wait, PAUSE.longest)) {
      await new Promise<void>(resolve => void clock.setTimeout(resolve, wait));
      if (!refresh(await sharedLook())) return 0;
      const late = clock.now() - deadline;
      if (late >= 0) signalAll('SIGKILL');
      if (late >= KILL_WITHIN) return Math.max(1, members.length);
    }
  };

  return {
    end(grace) {
      ended ??= end(grace);
      return ended;
    },
    endNow() {
      for (let looks = 0; looks < LOOKS && refresh(look()); looks += 1) signalAll('SIGKILL');
    },
  };
}

/** False: nobody is in it, or it is another user's. */
function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}

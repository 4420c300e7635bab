// A program and all its descendants: found, and ended to the last one. A process is signalled only if it was found to
// belong to the tree, and is still the same process. Only this file signals members; scan.ts and ownership.ts find them.
//
// The limit: a descendant is lost when it clears its environment, leaves group and session, and its parent ends before a
// scan has seen it. Only a namespace (containment/namespace.ts) holds such a process.
import type { Clock } from '../../world/clock.ts';
import type { OwnedTree } from './ownership.ts';
import type { Identity, ProcessEntry, ProcessTable } from './proc-table.ts';
import { createScanner, type Scanner } from './scan.ts';

/** A process that could not be ended in time: stuck in the kernel, or of another user. */
export interface Leftover extends Identity {
  readonly command: string;
}

/** The result of ending a tree. */
export interface Ending {
  /** The processes that still live; normally none. */
  readonly left: readonly Leftover[];
  /** False: there may be more, since the process table could not be read to its end. */
  readonly complete: boolean;
}

export interface Tree {
  readonly instanceId: string;
  readonly root: Identity;
  /** The living processes, as of the last scan. */
  readonly members: ReadonlyMap<number, ProcessEntry>;
  /** The members, and the program itself, that live now. */
  living(): readonly ProcessEntry[];
  /** The same, with their commands. */
  leftovers(): readonly Leftover[];
  /** A full scan. A process that was seen once stays tracked after it is reparented or leaves its group. */
  scan(): Promise<unknown>;
  /**
   * Sends a signal to every process of the tree that lives now and has got none yet, and lets stopped ones go on (SIGCONT).
   * `wrapped`: not to the program itself, which is the wrapper of a namespace and would take the whole tree with it.
   */
  signal(signal: NodeJS.Signals, wrapped?: boolean): Promise<void>;
  /** Resolves when no process of the tree lives, or with the result of `end`. For a program that has exited. */
  gone(): Promise<Ending>;
  /** Kills the tree until a scan finds nothing, for at most `within` ms. The kill proceeds also when nobody awaits it. */
  end(within?: number): Promise<Ending>;
  /** Stops tracking the tree, without a signal: `end` has nothing to end any more. */
  untrack(): void;
}

export interface Trees {
  /** Tracks the tree of a program that was just spawned and is not reaped yet. */
  track(instanceId: string, pid: number): Tree;
  /** Tracks the tree of a program that a dead host has started, by what that host recorded in this boot. */
  trackStale(instanceId: string, root: Identity): Tree;
  /** Kills these trees, blocking, with at most three full scans: for a host that is about to exit. One result for each tree. */
  endSync(trees: readonly Tree[]): Ending[];
  readonly scanner: Scanner;
}

/** How long SIGKILL may take, in ms. Fork loops end far sooner; the kernel needs time to free the memory of a large program. */
const END_WITHIN = 2_000;
const MAX_PAUSE = 50;
const SYNC_ROUNDS = 3;

export function createTrees(processTable: ProcessTable, clock: Clock): Trees {
  const scanner = createScanner(processTable, clock);
  const ownedBy = new WeakMap<Tree, OwnedTree>();
  /** Where the start time cannot be read, that of this host is the bound: the cookie decides among younger processes. */
  const startTimeOf = (pid: number): number => {
    for (const each of [pid, processTable.self]) {
      try {
        const entry = processTable.entry(each);
        if (entry !== null) return entry.startTime;
      } catch {
        // No file descriptors are left.
      }
    }
    return 0;
  };
  const kill = (member: Identity): void => void processTable.signal(member, 'SIGKILL');
  const pause = (ms: number): Promise<void> => new Promise(resolve => void clock.setTimeout(resolve, ms));

  const open = (instanceId: string, root: Identity, ownsGroup: boolean): Tree => {
    const owned: OwnedTree = { instanceId, root, ownsGroup, members: new Map(), found: null };
    const { members } = owned;
    scanner.add(owned);
    const commandOf = (pid: number): string => {
      try {
        return processTable.command(pid);
      } catch {
        // No file descriptors are left: the pid must do.
        return '';
      }
    };
    const withCommand = (entries: Iterable<ProcessEntry>): Leftover[] =>
      [...entries].map(({ pid, startTime }) => ({ pid, startTime, command: commandOf(pid) }));
    const leftovers = (): Leftover[] => withCommand(members.values());
    let ended: Promise<Ending> | null = null;

    const livingMembers = (): ProcessEntry[] => {
      try {
        return scanner.living(owned);
      } catch {
        // No file descriptors are left: those of the last scan must do.
        return [...members.values()];
      }
    };
    /** Reads the members before it kills: children that a member forked meanwhile have higher pids, and catchUp() finds them. */
    const killMembers = (): void => {
      const living = livingMembers();
      // The root first: a wrapper that sees its program killed would report that death as its own exit code.
      if (members.has(root.pid)) kill(root);
      for (const member of living) kill(member);
    };
    /** By pid, the start times of the processes that were asked to end. */
    const asked = new Map<number, number>();
    const signalMembers = (signal: NodeJS.Signals, living: readonly ProcessEntry[], spared: number | null): void => {
      // First the whole group at once, so that no member can react to the end of another. The system does not reuse the number of a
      // group while it has a member.
      const isFirst = asked.size === 0 && spared === null;
      const asGroup = isFirst && owned.ownsGroup && living.some(member => processTable.groupOf(member) === root.pid);
      if (asGroup) for (const each of [signal, 'SIGCONT'] as const) processTable.signalGroup(root.pid, each);
      for (const member of living) {
        if (member.pid === spared || asked.get(member.pid) === member.startTime) continue;
        asked.set(member.pid, member.startTime);
        if (asGroup && member.group === root.pid) continue;
        if (processTable.signal(member, signal)) processTable.signal(member, 'SIGCONT');
      }
    };
    const ask = async (signal: NodeJS.Signals, spared: number | null): Promise<void> => {
      livingMembers();
      if (!scanner.catchUp(owned)) await scanner.scan();
      if (ended !== null) return;
      // Parents before their children, for the same reason as above.
      const living = livingMembers().sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
      signalMembers(signal, living, spared);
    };
    /**
     * Whether members are left; 'unknown' where the process table could not be read to its end. The two readings follow each other at
     * once: other calls forget members that have ended, too, and between that and a scan a member could have left a child.
     */
    const check = async (read: () => void): Promise<'none' | 'some' | 'unknown'> => {
      read();
      if (!scanner.catchUp(owned)) {
        if (!(await scanner.scan())) return 'unknown';
        read();
        if (!scanner.catchUp(owned, true)) return 'unknown';
      }
      return members.size === 0 ? 'none' : 'some';
    };
    const gone = async (): Promise<Ending> => {
      for (let wait = 1; ended === null; wait = Math.min(2 * wait, MAX_PAUSE)) {
        // A catch-up at every check keeps track of processes whose parents end between two checks.
        if ((await check(livingMembers)) === 'none' && ended === null) {
          ended = Promise.resolve({ left: [], complete: true });
          scanner.remove(owned);
        } else await pause(wait);
      }
      return ended;
    };
    const end = async (within: number): Promise<Ending> => {
      // Without a process table only the group is known, and its end cannot be seen.
      if (!processTable.works) {
        processTable.signalGroup(root.pid, 'SIGKILL');
        return { left: [], complete: false };
      }
      owned.found = kill;
      const deadline = clock.now() + within;
      for (let wait = 1; ; wait = Math.min(2 * wait, MAX_PAUSE)) {
        const rest = await check(killMembers);
        if (rest === 'none') return { left: [], complete: true };
        // An incomplete scan may have missed members: the group reaches most of them.
        if (rest === 'unknown' && owned.ownsGroup) processTable.signalGroup(root.pid, 'SIGKILL');
        if (clock.now() >= deadline) return { left: leftovers(), complete: rest !== 'unknown' };
        await pause(wait);
      }
    };

    const tree: Tree = {
      instanceId,
      root,
      members,
      living: () => scanner.living(owned),
      leftovers() {
        try {
          return withCommand(scanner.living(owned));
        } catch {
          return leftovers();
        }
      },
      scan: () => scanner.scan(),
      signal: (signal, wrapped = false) => ask(signal, wrapped ? root.pid : null),
      gone,
      end(within = END_WITHIN) {
        ended ??= end(within).finally(() => scanner.remove(owned));
        return ended;
      },
      untrack() {
        ended ??= Promise.resolve({ left: [], complete: true });
        scanner.remove(owned);
      },
    };
    ownedBy.set(tree, owned);
    return tree;
  };

  return {
    scanner,
    endSync(ending) {
      const owned = ending.map(tree => ownedBy.get(tree)!);
      for (const each of owned) each.found = kill;
      let complete = false;
      if (!processTable.works) for (const { root } of owned) processTable.signalGroup(root.pid, 'SIGKILL');
      for (let round = 0; processTable.works && round < SYNC_ROUNDS; round += 1) {
        complete = scanner.scanSync();
        if (complete && owned.every(({ members }) => members.size === 0)) break;
      }
      return ending.map(tree => {
        const left = [...tree.leftovers()];
        tree.untrack();
        return { left, complete };
      });
    },
    // Before the program is reaped, the system cannot reuse its pid, so the group of that number is the program's own.
    track: (instanceId, pid) => open(instanceId, { pid, startTime: startTimeOf(pid) }, true),
    trackStale: (instanceId, root) => open(instanceId, root, false),
  };
}

// Everything that came of one program, wherever it went: seen, and ended to the last. Nothing is signalled that was not
// found to be of the tree, and is still the process that was found.
//
// Its limit: a descendant that clears its environment and leaves group and session and whose parent ends before
// anybody looked is nobody's any more. Only a namespace (namespace.ts) holds such a one.
import type { Clock } from '../../world/clock.ts';
import type { Claim } from './ownership.ts';
import type { Identity, ProcessEntry, ProcessTable } from './proc-table.ts';
import { createScanner, type Scanner } from './scan.ts';

/** A process that could not be ended in time: stuck in the kernel, or another user's. */
export interface Leftover extends Identity {
  readonly command: string;
}

export interface Ending {
  /** Who lives still; [] is what there should be. */
  readonly left: readonly Leftover[];
  /** False: there may be more, since the table could not be read to its end. */
  readonly complete: boolean;
}

export interface Tree {
  readonly instanceId: string;
  readonly root: Identity;
  /** Who lives, as of the last look. */
  readonly members: ReadonlyMap<number, ProcessEntry>;
  /** Those of them, and the program itself, who live still. */
  living(): readonly ProcessEntry[];
  /** The same with their commands. */
  leftovers(): readonly Leftover[];
  /** Looks at the whole table. Who was seen once is known again after it has cut all ties. */
  look(): Promise<unknown>;
  /** Kills all of it until a look finds nothing, or for so many ms; says what is left. Needs not be awaited. */
  end(within?: number): Promise<Ending>;
  /** The same in one go, blocking, for a host that is about to end: no more than three looks. */
  endNow(): Ending;
  /** Forgets it without a signal. */
  forget(): void;
}

export interface Trees {
  /** A program that was just spawned and is not reaped yet. */
  plant(instanceId: string, pid: number): Tree;
  /** What a host that is gone has started: by what it wrote down, in this boot (`table.bootId`). */
  find(instanceId: string, root: Identity): Tree;
  readonly scanner: Scanner;
}

/** What SIGKILL may take, in ms. A fork loop is outrun long before; a large program takes its time to give back memory. */
const END_WITHIN = 2_000;
const MAX_PAUSE = 50;
const ROUNDS_AT_ONCE = 3;

export function createTrees(table: ProcessTable, clock: Clock): Trees {
  const scanner = createScanner(table, clock);
  /** Where it cannot be told, the cookie alone counts, of whoever is younger than this host. */
  const startTimeOf = (pid: number): number => {
    for (const each of [pid, table.self]) {
      try {
        const entry = table.entry(each);
        if (entry !== null) return entry.startTime;
      } catch {
        // File descriptors ran out.
      }
    }
    return 0;
  };
  const pause = (ms: number): Promise<void> => new Promise(resolve => void clock.setTimeout(resolve, ms));

  const open = (instanceId: string, root: Identity, held: boolean): Tree => {
    const claim: Claim = { instanceId, root, held, members: new Map(), ending: false };
    const { members } = claim;
    scanner.add(claim);
    const commandOf = (pid: number): string => {
      try {
        return table.command(pid);
      } catch {
        // No file descriptors: who it is must do.
        return '';
      }
    };
    const named = (each: Iterable<ProcessEntry>): Leftover[] =>
      [...each].map(({ pid, startTime }) => ({ pid, startTime, command: commandOf(pid) }));
    const leftovers = (): Leftover[] => named(members.values());
    let ended: Promise<Ending> | null = null;

    /** Kills those that are known, where they are all there are: most trees are one program that was just started or seen. */
    const endKnown = (): boolean => {
      try {
        // In this order: whoever is gone by now has its children behind it, where they are seen.
        const living = scanner.living(claim);
        if (members.has(root.pid)) table.signal(root, 'SIGKILL');
        for (const member of living) table.signal(member, 'SIGKILL');
        return scanner.catchUp(claim);
      } catch {
        return false;
      }
    };
    const end = async (within: number): Promise<Ending> => {
      // Without a table there is the group, and nothing to see.
      if (!table.works) {
        table.signalGroup(root.pid, 'SIGKILL');
        return { left: [], complete: false };
      }
      claim.ending = true;
      const deadline = clock.now() + within;
      for (let wait = 1; ; wait = Math.min(2 * wait, MAX_PAUSE)) {
        const complete = endKnown() || (await scanner.scan());
        // Blind, there is the group at least.
        if (!complete && claim.held) table.signalGroup(root.pid, 'SIGKILL');
        if (members.size === 0 && complete) return { left: [], complete };
        if (clock.now() >= deadline) return { left: leftovers(), complete };
        await pause(wait);
      }
    };

    return {
      instanceId,
      root,
      members,
      living: () => scanner.living(claim),
      leftovers() {
        try {
          return named(scanner.living(claim));
        } catch {
          return leftovers();
        }
      },
      look: () => scanner.scan(),
      end(within = END_WITHIN) {
        ended ??= end(within).finally(() => scanner.remove(claim));
        return ended;
      },
      endNow() {
        claim.ending = true;
        let complete = false;
        if (!table.works) table.signalGroup(root.pid, 'SIGKILL');
        for (let round = 0; table.works && round < ROUNDS_AT_ONCE; round += 1) {
          complete = scanner.scanNow();
          if (complete && members.size === 0) break;
        }
        const left = leftovers();
        scanner.remove(claim);
        return { left, complete };
      },
      forget: () => scanner.remove(claim),
    };
  };

  return {
    scanner,
    // Nobody else has its number before it is reaped, so its group is its own.
    plant: (instanceId, pid) => open(instanceId, { pid, startTime: startTimeOf(pid) }, true),
    find: (instanceId, root) => open(instanceId, root, false),
  };
}

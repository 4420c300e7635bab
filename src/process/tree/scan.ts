// Scans of the process table for all trees together: a full scan in slices, so that other work of the event loop gets its
// turns, or a scan of the new pids alone. ownership.ts decides which tree a process belongs to. A scan signals nothing: it calls
// `found` of the trees that are being ended.
import type { Clock } from '../../world/clock.ts';
import { createOwnership, type OwnedTree } from './ownership.ts';
import { type ProcessEntry, pidsBetween } from './proc-read.ts';
import type { ProcessTable } from './proc-table.ts';

export interface Scanner {
  add(tree: OwnedTree): void;
  remove(tree: OwnedTree): void;
  /**
   * Resolves when a full scan that began after this call has updated every tree, and has called `found` for the members of
   * trees that are being ended. Calls share a scan. False: the scan was not complete, because the process table could not be
   * read (no file descriptors), too many processes were born meanwhile, or the owner of one is not known yet.
   */
  scan(): Promise<boolean>;
  /** The same, blocking the event loop. */
  scanSync(): boolean;
  /** Reads only the processes born since the last scan, or since a pid: cheap. False as for `scan`. */
  scanNew(since?: number): boolean;
  /**
   * Scans the new pids. True: all members of the tree are known. False: only a full scan can tell. `scanned`: a full scan has just
   * ended; the age limit of the cursor then does not apply.
   */
  catchUp(tree: OwnedTree, scanned?: boolean): boolean;
  /** The members of a tree that live now, each read again. */
  living(tree: OwnedTree): ProcessEntry[];
  readonly stats: { readonly fullScans: number; readonly lastFullScanMs: number; readonly unreadable: number };
}

/** The longest time a full scan keeps the event loop, in ms, and how many processes it reads between two checks of the clock. */
const SLICE = 2;
const CLOCK_INTERVAL = 16;
/** The longest pause between two full scans, in ms. */
const MAX_PAUSE = 100;
/** How old the cursor may be, in ms: in that time the system cannot have given out all pids once. */
const MAX_CURSOR_AGE = 500;

/** 0 where no file descriptors are left: then every process counts as new, so that the first scan is a full one. */
function firstCursor(processTable: ProcessTable): number {
  try {
    return processTable.works ? processTable.lastPid() : 0;
  } catch {
    return 0;
  }
}

export function createScanner(processTable: ProcessTable, clock: Clock): Scanner {
  const ownership = createOwnership(processTable, clock);
  /** The last pid that was classified. */
  let cursor = firstCursor(processTable);
  let scannedAt = clock.now();
  /** The trees of which all members up to the cursor are known. */
  const upToDate = new Set<OwnedTree>();
  let lastFullScanMs = 0;
  let pauseUntil = 0;
  let next: Promise<boolean> | null = null;
  let running: Promise<unknown> = Promise.resolve();

  /** Yields where the event loop should have a turn. Returns whether the scan was complete. */
  function* fullScan(): Generator<undefined, boolean> {
    ownership.fullScans += 1;
    ownership.unreadable = 0;
    const began = clock.now();
    const from = processTable.lastPid();
    const oldestStart = ownership.oldestStart();
    // A tree that is added meanwhile waits for the next full scan.
    const requested = [...ownership.trees];
    let sliceBegan = clock.now();
    let count = 0;
    const isLong = (): boolean => {
      count += 1;
      return count % CLOCK_INTERVAL === 0 && clock.now() - sliceBegan > SLICE;
    };
    function* pause(): Generator<undefined, void> {
      yield;
      sliceBegan = clock.now();
    }

    const entries = new Map<number, ProcessEntry>();
    const byCookie = new Map<number, OwnedTree | null | undefined>();
    for (const pid of processTable.pids()) {
      if (isLong()) yield* pause();
      const entry = processTable.entry(pid);
      if (entry === null) continue;
      entries.set(pid, entry);
      if (entry.living && !ownership.isForeign(entry, oldestStart) && ownership.verdictOn(entry) === undefined)
        byCookie.set(pid, ownership.ownerByCookie(entry));
    }
    const given = pidsBetween(cursor, from, processTable.maxPid) ?? [];
    ownership.readAgain(given.filter(pid => !entries.has(pid)));

    for (const tree of requested) {
      const { root } = tree;
      const entry = entries.get(root.pid);
      if (entry === undefined) continue;
      // Another start time means that the pid was reused.
      tree.ownsGroup = entry.startTime === root.startTime;
      if (tree.ownsGroup) ownership.assign(entry, tree);
    }

    const withGroup = new Set<OwnedTree>();
    const resolved = new Set<number>();
    const resolveOwner = (entry: ProcessEntry): OwnedTree | null => {
      const earlier = ownership.verdictOn(entry)?.owner;
      if (resolved.has(entry.pid) || ownership.isForeign(entry, oldestStart)) return earlier ?? null;
      resolved.add(entry.pid);
      const byGroup = ownership.ownerByGroup(entry);
      if (byGroup !== null) withGroup.add(byGroup);
      const parent = entries.get(entry.parent);
      const byParent = parent === undefined ? null : resolveOwner(parent);
      const owner = earlier ?? byGroup ?? (ownership.canOwn(byParent, entry) ? byParent : null) ?? byCookie.get(entry.pid);
      if (owner !== undefined) ownership.assign(entry, owner);
      else if (earlier === null) ownership.assign(entry, null);
      else if (byCookie.has(entry.pid)) ownership.postpone(entry);
      return owner ?? null;
    };
    for (const entry of entries.values()) {
      if (isLong()) yield* pause();
      resolveOwner(entry);
    }
    ownership.prune();

    for (const tree of requested) {
      // The system may reuse the number of a group that is empty.
      if (!withGroup.has(tree) && !entries.has(tree.root.pid)) tree.ownsGroup = false;
      const { found, members } = tree;
      if (found === null) continue;
      // The root first, for the reason that killMembers() in tree.ts gives.
      const root = members.get(tree.root.pid);
      if (root !== undefined) found(root);
      for (const member of members.values()) {
        if (isLong()) yield* pause();
        found(member);
      }
    }
    const { lastPid, complete } = ownership.followNewPids(from);
    const isComplete = complete && ownership.undecided === 0;
    advanceCursor(lastPid, isComplete);
    scannedAt = began;
    if (isComplete) for (const tree of requested) if (ownership.trees.has(tree)) upToDate.add(tree);
    return isComplete;
  }
  /** `complete`: every process up to that pid was classified. Otherwise no tree counts as up to date any more. */
  function advanceCursor(pid: number, complete: boolean): void {
    cursor = pid;
    scannedAt = clock.now();
    if (!complete) upToDate.clear();
  }

  /** One step of a full scan. A table that cannot be read makes the scan incomplete. */
  const step = (steps: Generator<undefined, boolean>): IteratorResult<undefined, boolean> => {
    try {
      return steps.next();
    } catch {
      return { done: true, value: false };
    }
  };

  return {
    add(tree) {
      if (ownership.trees.size === 0 && tree.ownsGroup) advanceCursor(tree.root.pid, true);
      // The program was born just now, so none of its descendants has a pid before the cursor.
      if (tree.ownsGroup) upToDate.add(tree);
      ownership.add(tree);
    },
    remove(tree) {
      upToDate.delete(tree);
      ownership.remove(tree);
    },
    living: ownership.living,
    scan() {
      if (next !== null) return next;
      const before = running;
      const mine = (async () => {
        await before;
        // Scans take at most half of the time; the other half is for all other work.
        const pause = pauseUntil - clock.now();
        if (pause > 0) await new Promise<void>(resolve => void clock.setTimeout(resolve, pause));
        else await processTable.turn();
        // A call from here on needs another full scan: this one may already have read the processes that it is about.
        next = null;
        const began = clock.now();
        const steps = fullScan();
        let result = step(steps);
        for (; !result.done; result = step(steps)) await processTable.turn();
        lastFullScanMs = clock.now() - began;
        pauseUntil = clock.now() + Math.min(lastFullScanMs, MAX_PAUSE);
        return result.value;
      })();
      next = mine;
      running = mine;
      return mine;
    },
    scanSync() {
      const steps = fullScan();
      let result = step(steps);
      while (!result.done) result = step(steps);
      return result.value;
    },
    scanNew(since) {
      try {
        const { lastPid, complete } = ownership.followNewPids(since ?? cursor);
        if (since === undefined) advanceCursor(lastPid, complete);
        return complete;
      } catch {
        return false;
      }
    },
    catchUp(tree, scanned = false) {
      if (!upToDate.has(tree) || (!scanned && clock.now() - scannedAt > MAX_CURSOR_AGE)) return false;
      return this.scanNew() && ownership.undecided === 0;
    },
    get stats() {
      return { fullScans: ownership.fullScans, lastFullScanMs, unreadable: ownership.unreadable };
    },
  };
}

// Which tree a process belongs to: by an earlier verdict, by its process group or session, by its parent, by the cookie in
// its environment. It reads one process at a time, or the new pids; scan.ts reads the whole process table. It signals nothing:
// it calls `found` of a tree that is being ended.
import type { Clock } from '../../world/clock.ts';
import { type Identity, MAX_NEW_PIDS, type ProcessEntry, readNewPids } from './proc-read.ts';
import type { ProcessTable } from './proc-table.ts';

/** A program and all its descendants, as far as they were found. */
export interface OwnedTree {
  readonly instanceId: string;
  /** The program itself. A process that is older cannot be its descendant. */
  readonly root: Identity;
  /** The root's pid still names its own process group and session, so the system cannot have reused it for another group. */
  ownsGroup: boolean;
  /** The living processes that were found, as of the last scan. */
  readonly members: Map<number, ProcessEntry>;
  /** Called for each living member that a scan finds while the tree is being ended; null before. tree.ts kills there. */
  found: ((member: ProcessEntry) => void) | null;
}

/**
 * How long a new process with an empty environment, and a new pid without a process, are checked again, in ms. On a busy machine an
 * exec or a fork can take that long. Counting scans would not work as a bound, because all trees share the scans.
 */
const MAX_DOUBT = 250;

export interface Classification {
  readonly startTime: number;
  /** null: the process belongs to no tree of ours. */
  readonly owner: OwnedTree | null;
  /** The number of the full scan that confirmed the verdict last. */
  fullScan: number;
}

export interface Ownership {
  readonly trees: ReadonlySet<OwnedTree>;
  /** Counts full scans: a process that the present one has not found is gone. */
  fullScans: number;
  /** How many environments this full scan could not read. */
  unreadable: number;
  add(tree: OwnedTree): void;
  remove(tree: OwnedTree): void;
  /** The start time of the oldest root: a process that is older belongs to no tree. */
  oldestStart(): number;
  /** Belongs to no tree whatever its environment says: too old, a thread of the kernel, this host, or init. */
  isForeign(entry: ProcessEntry, oldestStart: number): boolean;
  /** The earlier verdict on this process. An owner, once found, stays. */
  verdictOn(entry: ProcessEntry): Classification | undefined;
  assign(entry: ProcessEntry, owner: OwnedTree | null): void;
  /** Whether a process is young enough to belong to a tree. */
  canOwn(tree: OwnedTree | null, entry: ProcessEntry): boolean;
  ownerByGroup(entry: ProcessEntry): OwnedTree | null;
  /** Undefined where the environment is empty, and the owner is not known yet. */
  ownerByCookie(entry: ProcessEntry): OwnedTree | null | undefined;
  /** The owner is not known yet: the next scan checks the process again. False: MAX_DOUBT is over, and the process is not ours. */
  postpone(entry: ProcessEntry): boolean;
  /** How many processes are postponed. */
  readonly undecided: number;
  /** The next scans read these pids again: the system gives out a pid a moment before the process can be seen. */
  readAgain(pids: Iterable<number>): void;
  /** Forgets the processes that this full scan has not found. */
  prune(): void;
  /** The members of a tree that live and are the same processes; forgets the others. */
  living(tree: OwnedTree): ProcessEntry[];
  /** Classifies the processes born since a pid, until there are no new ones. `complete` is false where there were too many. */
  followNewPids(from: number): { readonly lastPid: number; readonly complete: boolean };
}

export function createOwnership(processTable: ProcessTable, clock: Pick<Clock, 'now'>): Ownership {
  const trees = new Set<OwnedTree>();
  const byRoot = new Map<number, OwnedTree>();
  const byCookie = new Map<string, OwnedTree[]>();
  const verdicts = new Map<number, Classification>();
  /** New processes with an empty environment, and when they were checked first. */
  const undecided = new Map<number, number>();
  /**
   * New pids without a process, and when they were read first. Mostly the process has ended already. But in the middle of a fork the pid
   * is given out, and only the parent can be seen; the child would be missed for good when the parent ends next.
   */
  const unseen = new Map<number, number>();

  const assign = (entry: ProcessEntry, owner: OwnedTree | null): void => {
    const earlier = verdicts.get(entry.pid);
    if (earlier !== undefined && earlier.owner !== null && (earlier.owner !== owner || earlier.startTime !== entry.startTime))
      earlier.owner.members.delete(entry.pid);
    verdicts.set(entry.pid, { startTime: entry.startTime, owner, fullScan: ownership.fullScans });
    if (owner === null) return;
    if (entry.living) owner.members.set(entry.pid, entry);
    else owner.members.delete(entry.pid);
  };
  const verdictOn = (entry: ProcessEntry): Classification | undefined => {
    const verdict = verdicts.get(entry.pid);
    if (verdict?.startTime !== entry.startTime) return undefined;
    return verdict.owner === null || trees.has(verdict.owner) ? verdict : undefined;
  };
  const canOwn = (tree: OwnedTree | null, entry: ProcessEntry): boolean => tree !== null && entry.startTime >= tree.root.startTime;
  const ownerByGroup = (entry: ProcessEntry): OwnedTree | null => {
    for (const number of [entry.group, entry.session]) {
      const tree = byRoot.get(number) ?? null;
      if (tree?.ownsGroup && canOwn(tree, entry)) return tree;
    }
    return null;
  };
  const ownerByCookie = (entry: ProcessEntry): OwnedTree | null | undefined => {
    const cookie = processTable.cookie(entry.pid);
    if (cookie === undefined) return undefined;
    if (cookie === false) ownership.unreadable += 1;
    if (typeof cookie !== 'string') return null;
    for (const id of cookie.split(' ')) {
      // A restarted instance has several trees. The owner is the youngest tree that is not younger than the process.
      const tree = byCookie.get(id)?.findLast(each => canOwn(each, entry));
      if (tree !== undefined) return tree;
    }
    return null;
  };
  const oldestStart = (): number => Math.min(...[...trees].map(({ root }) => root.startTime));
  const isForeign = (entry: ProcessEntry, oldest: number): boolean =>
    entry.startTime < oldest || entry.kernel || entry.pid === processTable.self || entry.pid === 1;

  /** The parent may be new, too, so it is classified first. */
  const ownerByParent = (entry: ProcessEntry, oldest: number): OwnedTree | null => {
    const parent = processTable.entry(entry.parent);
    if (parent === null || isForeign(parent, oldest)) return null;
    if (verdictOn(parent) === undefined) classify(parent.pid, oldest);
    const owner = verdictOn(parent)?.owner ?? null;
    return canOwn(owner, entry) ? owner : null;
  };
  /** An empty environment mostly means an exec in progress. After MAX_DOUBT it counts as truly empty. */
  const postpone = (entry: ProcessEntry): boolean => {
    const now = clock.now();
    const since = undecided.get(entry.pid) ?? now;
    const isOpen = now - since <= MAX_DOUBT;
    if (isOpen) undecided.set(entry.pid, since);
    else assign(entry, null);
    return isOpen;
  };
  const readAgain = (pid: number): void => {
    const now = clock.now();
    const since = unseen.get(pid) ?? now;
    if (now - since > MAX_DOUBT) unseen.delete(pid);
    else if (unseen.size < MAX_NEW_PIDS || unseen.has(pid)) unseen.set(pid, since);
  };
  /** Finds the owner of one new process, and calls `found` if that tree is being ended. True: not known yet. */
  const classify = (pid: number, oldest: number): boolean => {
    const entry = processTable.entry(pid);
    if (entry !== null) unseen.delete(pid);
    else readAgain(pid);
    if (entry === null || isForeign(entry, oldest) || verdictOn(entry)?.owner || processTable.isThread(pid)) return false;
    const root = byRoot.get(pid);
    const owner =
      (root?.root.startTime === entry.startTime ? root : null) ??
      ownerByGroup(entry) ??
      ownerByParent(entry, oldest) ??
      ownerByCookie(entry);
    if (owner === undefined) return postpone(entry);
    undecided.delete(pid);
    // Only a full scan notes foreign processes, since only a full scan forgets them again.
    if (owner === null) return false;
    assign(entry, owner);
    if (entry.living) owner.found?.(entry);
    return false;
  };
  const followNewPids: Ownership['followNewPids'] = from => {
    if (trees.size === 0) {
      unseen.clear();
      return { lastPid: processTable.lastPid(), complete: true };
    }
    const oldest = oldestStart();
    for (const pid of [...undecided.keys()]) if (!classify(pid, oldest)) undecided.delete(pid);
    for (const pid of [...unseen.keys()]) classify(pid, oldest);
    return readNewPids(processTable, from, pid => classify(pid, oldest));
  };

  const ownership: Ownership = {
    trees,
    fullScans: 0,
    unreadable: 0,
    oldestStart,
    isForeign,
    verdictOn,
    assign,
    canOwn,
    ownerByGroup,
    ownerByCookie,
    postpone,
    readAgain(pids) {
      for (const pid of pids) readAgain(pid);
    },
    get undecided() {
      return undecided.size;
    },
    followNewPids,
    add(tree) {
      trees.add(tree);
      byRoot.set(tree.root.pid, tree);
      byCookie.set(tree.instanceId, [...(byCookie.get(tree.instanceId) ?? []), tree]);
      // The program predates our scans, so earlier verdicts of "not ours" are discarded.
      if (!tree.ownsGroup) for (const [pid, verdict] of verdicts) if (verdict.owner === null) verdicts.delete(pid);
    },
    remove(tree) {
      trees.delete(tree);
      if (byRoot.get(tree.root.pid) === tree) byRoot.delete(tree.root.pid);
      const others = (byCookie.get(tree.instanceId) ?? []).filter(each => each !== tree);
      if (others.length > 0) byCookie.set(tree.instanceId, others);
      else byCookie.delete(tree.instanceId);
      for (const pid of tree.members.keys()) verdicts.delete(pid);
      tree.members.clear();
    },
    living(tree) {
      const root = processTable.entry(tree.root.pid);
      if (root?.living && root.startTime === tree.root.startTime && trees.has(tree)) assign(root, tree);
      for (const { pid, startTime } of [...tree.members.values()]) {
        const now = processTable.entry(pid);
        if (now?.startTime === startTime && now.living) continue;
        tree.members.delete(pid);
        if (verdicts.get(pid)?.startTime === startTime) verdicts.delete(pid);
      }
      return [...tree.members.values()];
    },
    prune() {
      for (const [pid, verdict] of verdicts) {
        if (verdict.fullScan >= ownership.fullScans) continue;
        verdict.owner?.members.delete(pid);
        verdicts.delete(pid);
      }
    },
  };
  return ownership;
}

// Whose is which process: one pass over the table of processes answers for all trees that are waiting, in slices that
// leave the event loop its turns. A process belongs to a tree by descent, group, session or the cookie in its environment.
import type { Clock } from '../world.ts';
import type { Identity, ProcessEntry, ProcessTable } from './table.ts';

/** What is looked for: the program that was started, and everything that came of it. */
export interface Claim {
  readonly instanceId: string;
  /** The program itself. Nothing older can have come of it. */
  readonly root: Identity;
  /** Its number still names its group and session: nobody else can have been given it. */
  held: boolean;
  /** Who was found so far and lives, as of the last look. */
  readonly members: Map<number, ProcessEntry>;
  /** Kill on sight: it is being ended. */
  ending: boolean;
}

export interface Scanner {
  add(claim: Claim): void;
  remove(claim: Claim): void;
  /**
   * Resolves when a pass that began after this call has brought every claim up to date. Calls share a pass. False: so
   * many were born meanwhile that some were not looked at.
   */
  scan(): Promise<boolean>;
  /** The same at once, blocking. */
  scanNow(): boolean;
  /** Looks only at who was born since the last look, which is nearly nothing; false: there were too many. */
  glance(): boolean;
  readonly facts: { readonly passes: number; readonly lastPassMs: number; readonly unreadable: number };
}

/** The longest a pass keeps the event loop, in ms, and how many processes are read between looks at the clock. */
const SLICE = 2;
const BETWEEN = 16;
/** The longest pause between two passes, in ms. */
const MAX_REST = 100;
/** So many births are looked at one by one; beyond, the whole table is the quicker way. */
const MAX_BIRTHS = 512;
/** How often the births are asked for until there are no more. */
const MAX_CHASES = 32;

interface Finding {
  readonly startTime: number;
  /** null: it belongs to none of ours. */
  readonly claim: Claim | null;
  pass: number;
}

export function createScanner(table: ProcessTable, clock: Clock): Scanner {
  const claims = new Set<Claim>();
  const byRoot = new Map<number, Claim>();
  const byCookie = new Map<string, Claim[]>();
  /** Found once, true for ever: a member that clears its environment stays one, a stranger is not read again. */
  const findings = new Map<number, Finding>();
  let pass = 0;
  let cursor = table.works ? table.lastPid() : 0;
  let lastPassMs = 0;
  let unreadable = 0;
  let restUntil = 0;
  let next: Promise<boolean> | null = null;
  let running: Promise<unknown> = Promise.resolve();

  const find = (entry: ProcessEntry, claim: Claim | null): void => {
    const known = findings.get(entry.pid);
    if (known !== undefined && known.claim !== null && (known.claim !== claim || known.startTime !== entry.startTime))
      known.claim.members.delete(entry.pid);
    findings.set(entry.pid, { startTime: entry.startTime, claim, pass });
    if (claim === null) return;
    if (entry.living) claim.members.set(entry.pid, entry);
    else claim.members.delete(entry.pid);
  };
  const known = (entry: ProcessEntry): Finding | undefined => {
    const finding = findings.get(entry.pid);
    if (finding?.startTime !== entry.startTime) return undefined;
    return finding.claim === null || claims.has(finding.claim) ? finding : undefined;
  };
  const fits = (claim: Claim | undefined, entry: ProcessEntry): boolean => claim !== undefined && entry.startTime >= claim.root.startTime;
  const ofGroup = (entry: ProcessEntry): Claim | null => {
    for (const number of [entry.group, entry.session]) {
      const claim = byRoot.get(number);
      if (claim?.held && fits(claim, entry)) return claim;
    }
    return null;
  };
  /** By its environment; undefined where that cannot be told. */
  const ofCookie = (entry: ProcessEntry): Claim | null | undefined => {
    const cookie = table.cookie(entry.pid);
    if (cookie === undefined) unreadable += 1;
    if (typeof cookie !== 'string') return cookie;
    // An instance that was started anew has several claims: the last that is no younger than the process.
    return byCookie.get(cookie)?.findLast(claim => fits(claim, entry)) ?? null;
  };
  const oldest = (): number => Math.min(...[...claims].map(({ root }) => root.startTime));
  const isForeign = (entry: ProcessEntry, since: number): boolean =>
    entry.startTime < since || entry.kernel || entry.pid === table.self || entry.pid === 1;

  /** By its parent's, who may be a newcomer too. */
  const ofParent = (entry: ProcessEntry, since: number): Claim | null => {
    const parent = table.entry(entry.parent);
    if (parent === null || isForeign(parent, since)) return null;
    if (known(parent) === undefined) meet(parent.pid, since);
    const claim = known(parent)?.claim ?? null;
    return claim !== null && fits(claim, entry) ? claim : null;
  };
  /** A newcomer, looked at alone. */
  const meet = (pid: number, since: number): void => {
    const entry = table.entry(pid);
    if (entry === null || isForeign(entry, since) || known(entry)?.claim || table.isThread(pid)) return;
    const root = byRoot.get(pid);
    const claim = (root?.root.startTime === entry.startTime ? root : null) ?? ofGroup(entry) ?? ofParent(entry, since) ?? ofCookie(entry);
    if (claim === undefined) return;
    find(entry, claim);
    if (claim?.ending && entry.living) table.signal(entry, 'SIGKILL');
  };
  /** Follows the births since `from` until there are no more; the newest first, since they may fork and be gone. */
  const chase = (from: number): { at: number; complete: boolean } => {
    const since = oldest();
    let at = from;
    for (let round = 0; round < MAX_CHASES; round += 1) {
      const last = table.lastPid();
      const births = (last - at + table.maxPid) % table.maxPid;
      if (births === 0) return { at, complete: true };
      if (births > MAX_BIRTHS) return { at: last, complete: false };
      for (let back = 0; back < births; back += 1) meet((last - back + table.maxPid) % table.maxPid, since);
      at = last;
    }
    return { at, complete: true };
  };

  function* walk(): Generator<undefined, boolean> {
    pass += 1;
    const mine = pass;
    unreadable = 0;
    const from = table.lastPid();
    const since = oldest();
    const entries = new Map<number, ProcessEntry>();
    const cookies = new Map<number, Claim | null | undefined>();
    let sliced = clock.now();
    let count = 0;
    for (const pid of table.pids()) {
      count += 1;
      if (count % BETWEEN === 0 && clock.now() - sliced > SLICE) {
        yield;
        sliced = clock.now();
      }
      const entry = table.entry(pid);
      if (entry === null) continue;
      entries.set(pid, entry);
      if (entry.living && !isForeign(entry, since) && known(entry) === undefined) cookies.set(pid, ofCookie(entry));
    }
    for (const claim of claims) {
      const { root } = claim;
      const holder = entries.get(root.pid);
      // Somebody else has its number now.
      if (holder !== undefined && holder.startTime !== root.startTime) claim.held = false;
      if (holder?.startTime === root.startTime) {
        claim.held = true;
        find(holder, claim);
      }
    }
    const inGroup = new Set<Claim>();
    const seen = new Set<number>();
    const settle = (entry: ProcessEntry): Claim | null => {
      if (seen.has(entry.pid) || isForeign(entry, since)) return known(entry)?.claim ?? null;
      seen.add(entry.pid);
      const before = known(entry)?.claim;
      const parent = entries.get(entry.parent);
      const group = ofGroup(entry);
      if (group !== null) inGroup.add(group);
      const ancestor = parent === undefined ? null : settle(parent);
      const claim = before ?? group ?? (fits(ancestor ?? undefined, entry) ? ancestor : null) ?? cookies.get(entry.pid);
      // A stranger whose environment could not be told is asked again next time.
      if (claim !== undefined) find(entry, claim);
      else if (known(entry) !== undefined) find(entry, null);
      return claim ?? null;
    };
    for (const entry of entries.values()) settle(entry);
    for (const [pid, finding] of findings) {
      if (finding.pass >= mine) continue;
      finding.claim?.members.delete(pid);
      findings.delete(pid);
    }
    // A group that is empty gives its number back.
    for (const claim of claims) if (!inGroup.has(claim) && !entries.has(claim.root.pid)) claim.held = false;
    const { at, complete } = chase(from);
    cursor = at;
    return complete;
  }

  return {
    add(claim) {
      claims.add(claim);
      byRoot.set(claim.root.pid, claim);
      byCookie.set(claim.instanceId, [...(byCookie.get(claim.instanceId) ?? []), claim]);
    },
    remove(claim) {
      claims.delete(claim);
      if (byRoot.get(claim.root.pid) === claim) byRoot.delete(claim.root.pid);
      const rest = (byCookie.get(claim.instanceId) ?? []).filter(each => each !== claim);
      if (rest.length > 0) byCookie.set(claim.instanceId, rest);
      else byCookie.delete(claim.instanceId);
      for (const pid of claim.members.keys()) findings.delete(pid);
      claim.members.clear();
    },
    scan() {
      if (next !== null) return next;
      const before = running;
      const mine = (async () => {
        await before;
        // Half of the time is left to everything else.
        const rest = restUntil - clock.now();
        if (rest > 0) await new Promise<void>(resolve => void clock.setTimeout(resolve, rest));
        else await table.turn();
        // Whoever asks from here on needs a pass of their own: this one may have passed what they mean.
        next = null;
        const began = clock.now();
        const steps = walk();
        let step = steps.next();
        for (; !step.done; step = steps.next()) await table.turn();
        lastPassMs = clock.now() - began;
        restUntil = clock.now() + Math.min(lastPassMs, MAX_REST);
        return step.value;
      })();
      next = mine;
      running = mine;
      return mine;
    },
    scanNow() {
      const steps = walk();
      let step = steps.next();
      while (!step.done) step = steps.next();
      return step.value;
    },
    glance() {
      const { at, complete } = chase(cursor);
      cursor = at;
      return complete;
    },
    get facts() {
      return { passes: pass, lastPassMs, unreadable };
    },
  };
}

// Whose a process is: by what was found before, by group and session, by its parent, by the cookie in its environment.
// It knows one process at a time; the whole table is scan.ts's.
import type { Identity, ProcessEntry, ProcessTable } from './proc-table.ts';

/** What is looked for: the program that was started, and everything that came of it. */
export interface Claim {
  readonly instanceId: string;
  /** The program itself. Nothing older can have come of it. */
  readonly root: Identity;
  /** Its number still names its group and session: nobody else can have been given it. */
  held: boolean;
  /** Who was found so far and lives, as of the last look. */
  readonly members: Map<number, ProcessEntry>;
  /** It is being ended: whoever is found is killed. */
  ending: boolean;
}

/** So many births are looked at one by one; beyond, the whole table is the quicker way. */
const MAX_BIRTHS = 512;
/** How often a newcomer is looked at. */
const MAX_TRIES = 6;
/** How often the births are asked for until there are no more. */
const MAX_CHASES = 32;

export interface Finding {
  readonly startTime: number;
  /** null: it belongs to none of ours. */
  readonly claim: Claim | null;
  pass: number;
}

export interface Claims {
  readonly all: ReadonlySet<Claim>;
  /** Counts the passes over the whole table: what was not found in the present one is gone. */
  pass: number;
  /** How many environments could not be read in this pass. */
  unreadable: number;
  add(claim: Claim): void;
  remove(claim: Claim): void;
  /** The start time of the oldest: whoever is older is nobody's. */
  since(): number;
  isForeign(entry: ProcessEntry, oldest: number): boolean;
  /** What was found out about it before. Once found is true for ever. */
  known(entry: ProcessEntry): Finding | undefined;
  find(entry: ProcessEntry, claim: Claim | null): void;
  fits(claim: Claim | null, entry: ProcessEntry): boolean;
  ofGroup(entry: ProcessEntry): Claim | null;
  /** Undefined where it cannot be told yet. */
  ofCookie(entry: ProcessEntry): Claim | null | undefined;
  /** It could not be told yet: the next look asks again. */
  wait(entry: ProcessEntry): void;
  /** How many wait. */
  readonly undecided: number;
  /** Forgets whom this pass has not found. */
  prune(): void;
  /** Those of a claim that live and are who they were; forgets the others. */
  living(claim: Claim): ProcessEntry[];
  /** Follows the births since that pid until there are no more; the newest first, since they may fork and be gone. */
  chase(from: number): { readonly at: number; readonly complete: boolean };
}

export function createClaims(table: ProcessTable): Claims {
  const all = new Set<Claim>();
  const byRoot = new Map<number, Claim>();
  const byCookie = new Map<string, Claim[]>();
  const findings = new Map<number, Finding>();
  /** Newcomers whose environment was empty, and how often. */
  const undecided = new Map<number, number>();

  const find = (entry: ProcessEntry, claim: Claim | null): void => {
    const known = findings.get(entry.pid);
    if (known !== undefined && known.claim !== null && (known.claim !== claim || known.startTime !== entry.startTime))
      known.claim.members.delete(entry.pid);
    findings.set(entry.pid, { startTime: entry.startTime, claim, pass: it.pass });
    if (claim === null) return;
    if (entry.living) claim.members.set(entry.pid, entry);
    else claim.members.delete(entry.pid);
  };
  const known = (entry: ProcessEntry): Finding | undefined => {
    const finding = findings.get(entry.pid);
    if (finding?.startTime !== entry.startTime) return undefined;
    return finding.claim === null || all.has(finding.claim) ? finding : undefined;
  };
  const fits = (claim: Claim | null, entry: ProcessEntry): boolean => claim !== null && entry.startTime >= claim.root.startTime;
  const ofGroup = (entry: ProcessEntry): Claim | null => {
    for (const number of [entry.group, entry.session]) {
      const claim = byRoot.get(number) ?? null;
      if (claim?.held && fits(claim, entry)) return claim;
    }
    return null;
  };
  /** By its environment; undefined where that cannot be told. */
  const ofCookie = (entry: ProcessEntry): Claim | null | undefined => {
    const cookie = table.cookie(entry.pid);
    if (cookie === undefined) return undefined;
    if (cookie === false) it.unreadable += 1;
    if (typeof cookie !== 'string') return null;
    for (const id of cookie.split(' ')) {
      // An instance that was started anew has several claims: the last that is no younger than the process.
      const claim = byCookie.get(id)?.findLast(each => fits(each, entry));
      if (claim !== undefined) return claim;
    }
    return null;
  };
  const since = (): number => Math.min(...[...all].map(({ root }) => root.startTime));
  const isForeign = (entry: ProcessEntry, oldest: number): boolean =>
    entry.startTime < oldest || entry.kernel || entry.pid === table.self || entry.pid === 1;

  /** By its parent's, who may be a newcomer too. */
  const ofParent = (entry: ProcessEntry, oldest: number): Claim | null => {
    const parent = table.entry(entry.parent);
    if (parent === null || isForeign(parent, oldest)) return null;
    if (known(parent) === undefined) meet(parent.pid, oldest);
    const claim = known(parent)?.claim ?? null;
    return fits(claim, entry) ? claim : null;
  };
  /** In the midst of an exec, most likely: it is looked at again, until it must be one whose environment is empty. */
  const wait = (entry: ProcessEntry): void => {
    const tries = (undecided.get(entry.pid) ?? 0) + 1;
    if (tries <= MAX_TRIES) undecided.set(entry.pid, tries);
    else find(entry, null);
  };
  /** A newcomer, looked at alone. */
  const meet = (pid: number, oldest: number): void => {
    const entry = table.entry(pid);
    if (entry === null || isForeign(entry, oldest) || known(entry)?.claim || table.isThread(pid)) return;
    const root = byRoot.get(pid);
    const claim = (root?.root.startTime === entry.startTime ? root : null) ?? ofGroup(entry) ?? ofParent(entry, oldest) ?? ofCookie(entry);
    if (claim === undefined) return wait(entry);
    undecided.delete(pid);
    // Strangers come and go: only a pass, which also forgets them, writes them down.
    if (claim === null) return;
    find(entry, claim);
    if (claim.ending && entry.living) table.signal(entry, 'SIGKILL');
  };
  const chase: Claims['chase'] = from => {
    const oldest = since();
    for (const pid of [...undecided.keys()]) {
      const tries = undecided.get(pid);
      meet(pid, oldest);
      if (undecided.get(pid) === tries) undecided.delete(pid);
    }
    let at = from;
    for (let round = 0; round < MAX_CHASES; round += 1) {
      const last = table.lastPid();
      if (all.size === 0) return { at: last, complete: true };
      const births = (last - at + table.maxPid) % table.maxPid;
      if (births === 0) return { at, complete: true };
      if (births > MAX_BIRTHS) return { at: last, complete: false };
      for (let back = 0; back < births; back += 1) meet((last - back + table.maxPid) % table.maxPid, oldest);
      at = last;
    }
    return { at, complete: true };
  };

  const it: Claims = {
    all,
    pass: 0,
    unreadable: 0,
    since,
    isForeign,
    known,
    find,
    fits,
    ofGroup,
    ofCookie,
    wait,
    get undecided() {
      return undecided.size;
    },
    chase,
    add(claim) {
      all.add(claim);
      byRoot.set(claim.root.pid, claim);
      byCookie.set(claim.instanceId, [...(byCookie.get(claim.instanceId) ?? []), claim]);
      // Its program is older than our looks: who was a stranger may be its.
      if (!claim.held) for (const [pid, finding] of findings) if (finding.claim === null) findings.delete(pid);
    },
    remove(claim) {
      all.delete(claim);
      if (byRoot.get(claim.root.pid) === claim) byRoot.delete(claim.root.pid);
      const rest = (byCookie.get(claim.instanceId) ?? []).filter(each => each !== claim);
      if (rest.length > 0) byCookie.set(claim.instanceId, rest);
      else byCookie.delete(claim.instanceId);
      for (const pid of claim.members.keys()) findings.delete(pid);
      claim.members.clear();
    },
    living(claim) {
      const root = table.entry(claim.root.pid);
      if (root?.living && root.startTime === claim.root.startTime && all.has(claim)) find(root, claim);
      for (const { pid, startTime } of [...claim.members.values()]) {
        const now = table.entry(pid);
        if (now?.startTime === startTime && now.living) continue;
        claim.members.delete(pid);
        if (findings.get(pid)?.startTime === startTime) findings.delete(pid);
      }
      return [...claim.members.values()];
    },
    prune() {
      for (const [pid, finding] of findings) {
        if (finding.pass >= it.pass) continue;
        finding.claim?.members.delete(pid);
        findings.delete(pid);
      }
    },
  };
  return it;
}

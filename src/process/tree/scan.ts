// One pass over the table of processes answers for all trees that are waiting, in slices that leave the event loop its
// turns. Whose a process is, is claims.ts's business.
import type { Clock } from '../../world/clock.ts';
import { type Claim, createClaims } from './ownership.ts';
import type { ProcessEntry, ProcessTable } from './proc-table.ts';

export interface Scanner {
  add(claim: Claim): void;
  remove(claim: Claim): void;
  /**
   * Resolves when a pass that began after this call has brought every claim up to date, and killed whoever belongs to
   * one that is ending. RequestTable share a pass. False: it was not complete, because the table could not be read (file
   * descriptors ran out), more were born meanwhile than could be looked at, or somebody could not be told yet.
   */
  scan(): Promise<boolean>;
  /** The same at once, blocking. */
  scanNow(): boolean;
  /** Looks only at who was born since the last look, or since that pid, which is nearly nothing; false as above. */
  glance(since?: number): boolean;
  /**
   * Looks only at who was born since as well. True: then all that is the claim's is known. False: only a pass can tell.
   */
  catchUp(claim: Claim): boolean;
  /** Those of a claim that were found and still live, looked at one by one. */
  living(claim: Claim): ProcessEntry[];
  readonly facts: { readonly passes: number; readonly lastPassMs: number; readonly unreadable: number };
}

/** The longest a pass keeps the event loop, in ms, and how many processes are read between looks at the clock. */
const SLICE = 2;
const BETWEEN = 16;
/** The longest pause between two passes, in ms. */
const MAX_REST = 100;
/** The longest between two looks, in ms: in that time the pids cannot have been given out once around. */
const MAX_AGE = 500;

/** 0, where file descriptors ran out: everybody seems to be born since, so that the first look is a pass. */
function firstCursor(table: ProcessTable): number {
  try {
    return table.works ? table.lastPid() : 0;
  } catch {
    return 0;
  }
}

export function createScanner(table: ProcessTable, clock: Clock): Scanner {
  const claims = createClaims(table);
  let cursor = firstCursor(table);
  let lookedAt = clock.now();
  /** Those of which all is known that was born up to the cursor. */
  const surveyed = new Set<Claim>();
  let lastPassMs = 0;
  let restUntil = 0;
  let next: Promise<boolean> | null = null;
  let running: Promise<unknown> = Promise.resolve();

  function* walk(): Generator<undefined, boolean> {
    claims.pass += 1;
    claims.unreadable = 0;
    const began = clock.now();
    const from = table.lastPid();
    const oldest = claims.since();
    // Who comes meanwhile is for the next pass.
    const asked = [...claims.all];
    let sliced = clock.now();
    let count = 0;
    const isLong = (): boolean => {
      count += 1;
      return count % BETWEEN === 0 && clock.now() - sliced > SLICE;
    };
    function* rest(): Generator<undefined, void> {
      yield;
      sliced = clock.now();
    }

    const entries = new Map<number, ProcessEntry>();
    const cookies = new Map<number, Claim | null | undefined>();
    for (const pid of table.pids()) {
      if (isLong()) yield* rest();
      const entry = table.entry(pid);
      if (entry === null) continue;
      entries.set(pid, entry);
      if (entry.living && !claims.isForeign(entry, oldest) && claims.known(entry) === undefined) cookies.set(pid, claims.ofCookie(entry));
    }

    for (const claim of asked) {
      const { root } = claim;
      const holder = entries.get(root.pid);
      if (holder === undefined) continue;
      // Otherwise somebody else has its number now.
      claim.held = holder.startTime === root.startTime;
      if (claim.held) claims.find(holder, claim);
    }

    const inGroup = new Set<Claim>();
    const settled = new Set<number>();
    const settle = (entry: ProcessEntry): Claim | null => {
      const before = claims.known(entry)?.claim;
      if (settled.has(entry.pid) || claims.isForeign(entry, oldest)) return before ?? null;
      settled.add(entry.pid);
      const group = claims.ofGroup(entry);
      if (group !== null) inGroup.add(group);
      const parent = entries.get(entry.parent);
      const ancestor = parent === undefined ? null : settle(parent);
      const claim = before ?? group ?? (claims.fits(ancestor, entry) ? ancestor : null) ?? cookies.get(entry.pid);
      if (claim !== undefined) claims.find(entry, claim);
      else if (before === null) claims.find(entry, null);
      else if (cookies.has(entry.pid)) claims.wait(entry);
      return claim ?? null;
    };
    for (const entry of entries.values()) {
      if (isLong()) yield* rest();
      settle(entry);
    }
    claims.prune();

    for (const claim of asked) {
      // A group that is empty gives its number back.
      if (!inGroup.has(claim) && !entries.has(claim.root.pid)) claim.held = false;
      if (!claim.ending) continue;
      // Itself first: a wrapper tells of its program's death as an exit of its own.
      const root = claim.members.get(claim.root.pid);
      if (root !== undefined) table.signal(root, 'SIGKILL');
      for (const member of claim.members.values()) {
        if (isLong()) yield* rest();
        table.signal(member, 'SIGKILL');
      }
    }
    const { at, complete } = claims.chase(from);
    const whole = complete && claims.undecided === 0;
    note(at, whole);
    lookedAt = began;
    if (whole) for (const claim of asked) if (claims.all.has(claim)) surveyed.add(claim);
    return whole;
  }
  /** Everybody up to there was looked at; or somebody was passed over. */
  function note(at: number, complete: boolean): void {
    cursor = at;
    lookedAt = clock.now();
    if (!complete) surveyed.clear();
  }

  /** One step of a pass; what cannot be read is a pass that is not complete. */
  const advance = (steps: Generator<undefined, boolean>): IteratorResult<undefined, boolean> => {
    try {
      return steps.next();
    } catch {
      return { done: true, value: false };
    }
  };

  return {
    add(claim) {
      if (claims.all.size === 0 && claim.held) note(claim.root.pid, true);
      // It was born just now, and nothing has come of it that is behind the cursor.
      if (claim.held) surveyed.add(claim);
      claims.add(claim);
    },
    remove(claim) {
      surveyed.delete(claim);
      claims.remove(claim);
    },
    living: claims.living,
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
        let step = advance(steps);
        for (; !step.done; step = advance(steps)) await table.turn();
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
      let step = advance(steps);
      while (!step.done) step = advance(steps);
      return step.value;
    },
    glance(since) {
      try {
        const { at, complete } = claims.chase(since ?? cursor);
        if (since === undefined) note(at, complete);
        return complete;
      } catch {
        return false;
      }
    },
    catchUp(claim) {
      if (!surveyed.has(claim) || clock.now() - lookedAt > MAX_AGE) return false;
      return this.glance() && claims.undecided === 0;
    },
    get facts() {
      return { passes: claims.pass, lastPassMs, unreadable: claims.unreadable };
    },
  };
}

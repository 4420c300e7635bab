// How much memory a tree holds, looked at more often the nearer it comes to its limit. It is sampled: what grows to its
// limit and beyond between two looks is seen at the second.
import type { Clock, Timer } from '../world/clock.ts';
import type { ProcessTable } from './tree/proc-table.ts';
import type { Scanner } from './tree/scan.ts';
import type { Tree } from './tree/tree.ts';

export interface MemoryWatch {
  /** In bytes, as of the last look. */
  readonly bytes: number;
  /** The most that was seen. */
  readonly peak: number;
  /** No more looks. */
  stop(): void;
}

export interface Memory {
  /** Looks at once, for a report. */
  measure(tree: Tree): number;
  /** RequestTable `exceeded` once, with what was measured. A limit of Infinity is for the peak alone. */
  watch(tree: Tree, limit: number, exceeded: (bytes: number) => void): MemoryWatch;
  /** Stops all. */
  close(): void;
}

/** In ms. */
const LONGEST = 250;
const SHORTEST = 15;
/** What any program is taken to be able to grow by, in bytes a ms, until it is seen to grow faster: 256 MiB a second. */
const EXPECTED_GROWTH = 2 ** 28 / 1_000;
/** Looks that are due so soon are taken along, in ms. */
const TOGETHER = 5;
/** A look may take this part of the time until the next. */
const SHARE = 0.1;

/** When to look next, in ms: in half the time in which it could be at its limit. `growth` in bytes a ms. */
export function nextSample(bytes: number, limit: number, growth: number): number {
  const halfway = (limit - bytes) / (2 * Math.max(growth, EXPECTED_GROWTH / 2));
  return Math.min(LONGEST, Math.max(SHORTEST, halfway));
}

interface Watched {
  readonly tree: Tree;
  readonly limit: number;
  readonly exceeded: (bytes: number) => void;
  bytes: number;
  peak: number;
  at: number;
  due: number;
}

/**
 * Private memory, shared memory and swap. First by the counters of each process (20 µs), in which a page that two of them
 * share counts twice: only where that sum is above the limit are shared pages divided among who holds them (smaps_rollup:
 * 50 µs and about 1 ms a gigabyte), and that decides. Files that are mapped, such as the program itself, do not count.
 */
export function memoryOf(table: ProcessTable, tree: Tree, limit: number): number {
  const members = tree.living();
  const counted = members.map(({ pid }) => table.memory(pid));
  const sum = counted.reduce((total, bytes) => total + bytes, 0);
  if (sum <= limit || members.length === 1) return sum;
  return members.reduce((total, { pid }, i) => total + Math.min(counted[i]!, table.exactMemory(pid) ?? counted[i]!), 0);
}

export function createMemory(table: ProcessTable, scanner: Scanner, clock: Clock): Memory {
  const all = new Set<Watched>();
  let timer: Timer | null = null;
  let set = Number.POSITIVE_INFINITY;

  const look = (watched: Watched): void => {
    const began = clock.now();
    let bytes = watched.bytes;
    try {
      bytes = memoryOf(table, watched.tree, watched.limit);
    } catch {
      // No file descriptors: what was there last is the best guess.
    }
    const now = clock.now();
    const growth = Math.max(0, bytes - watched.bytes) / Math.max(1, now - watched.at);
    watched.bytes = bytes;
    watched.at = now;
    watched.peak = Math.max(watched.peak, bytes);
    const wait = Math.max(nextSample(bytes, watched.limit, growth), Math.min(LONGEST, (now - began) / SHARE));
    watched.due = now + wait;
    if (bytes <= watched.limit) return;
    all.delete(watched);
    watched.exceeded(bytes);
  };

  /** One timer for all, for whoever is due first. */
  const arrange = (): void => {
    const first = Math.min(...[...all].map(({ due }) => due));
    if (first === set) return;
    if (timer !== null) clock.clearTimeout(timer);
    set = first;
    timer = Number.isFinite(first) ? clock.setTimeout(run, Math.max(0, first - clock.now())) : null;
  };
  const run = (): void => {
    timer = null;
    set = Number.POSITIVE_INFINITY;
    // Who was born since belongs to somebody. Too many: a pass over the whole table finds them by the next look.
    if (!scanner.scanNew()) void scanner.scan();
    const now = clock.now();
    for (const watched of [...all]) if (watched.due <= now + TOGETHER) look(watched);
    arrange();
  };

  return {
    measure: tree => memoryOf(table, tree, Number.POSITIVE_INFINITY),
    watch(tree, limit, exceeded) {
      const now = clock.now();
      const watched: Watched = { tree, limit, exceeded, bytes: 0, peak: 0, at: now, due: now + SHORTEST };
      all.add(watched);
      arrange();
      return {
        get bytes() {
          return watched.bytes;
        },
        get peak() {
          return watched.peak;
        },
        stop() {
          all.delete(watched);
          arrange();
        },
      };
    },
    close() {
      all.clear();
      arrange();
    },
  };
}

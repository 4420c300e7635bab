// Measures the memory of trees, more often the nearer a tree is to its limit. The limit of sampling: a tree may exceed its
// limit between two samples, and is noticed at the second.
import type { Clock, Timer } from '../world/clock.ts';
import type { ProcessTable } from './tree/proc-table.ts';
import type { Scanner } from './tree/scan.ts';
import type { Tree } from './tree/tree.ts';

export interface MemoryWatch {
  /** In bytes, as of the last sample. */
  readonly bytes: number;
  /** The largest sample, in bytes. */
  readonly peak: number;
  /** Takes no more samples. */
  stop(): void;
}

export interface Memory {
  /** One sample now, in bytes, for a report. */
  measure(tree: Tree): number;
  /** Calls `exceeded` once, with the first sample above `limit`. With a limit of Infinity, only the peak is recorded. */
  watch(tree: Tree, limit: number, exceeded: (bytes: number) => void): MemoryWatch;
  /** Stops every watch. */
  close(): void;
}

/** Between two samples of a tree, in ms. */
const MAX_INTERVAL = 250;
const MIN_INTERVAL = 15;
/** The assumed growth of a program, in bytes a ms, until it grows faster: 256 MiB a second. */
const EXPECTED_GROWTH = 2 ** 28 / 1_000;
/** A sample that is due within this time is taken together with the present one, in ms. */
const TOGETHER = 5;
/** A sample may take at most this part of the time until the next. */
const MAX_SHARE = 0.1;

/** The wait before the next sample, in ms: half the time in which the tree could reach its limit. `growth` in bytes a ms. */
export function nextSample(bytes: number, limit: number, growth: number): number {
  const halfway = (limit - bytes) / (2 * Math.max(growth, EXPECTED_GROWTH / 2));
  return Math.min(MAX_INTERVAL, Math.max(MIN_INTERVAL, halfway));
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
 * Private memory, shared memory and swap of a tree, in bytes. First come the counters of each process (20 µs), which count a
 * page twice that two processes share. Only if that sum exceeds the limit are shared pages divided among their holders
 * (smaps_rollup: 50 µs, and about 1 ms a gigabyte); then that sum decides. Mapped files, such as the program itself, do not
 * count.
 */
export function memoryOf(processTable: ProcessTable, tree: Tree, limit: number): number {
  const members = tree.living();
  const counted = members.map(({ pid }) => processTable.memory(pid));
  const sum = counted.reduce((total, bytes) => total + bytes, 0);
  if (sum <= limit || members.length === 1) return sum;
  return members.reduce((total, { pid }, i) => total + Math.min(counted[i]!, processTable.exactMemory(pid) ?? counted[i]!), 0);
}

export function createMemory(processTable: ProcessTable, scanner: Scanner, clock: Clock): Memory {
  const all = new Set<Watched>();
  let timer: Timer | null = null;
  let timerDue = Number.POSITIVE_INFINITY;

  const sample = (watched: Watched): void => {
    const began = clock.now();
    let bytes = watched.bytes;
    try {
      bytes = memoryOf(processTable, watched.tree, watched.limit);
    } catch {
      // No file descriptors are left: the last sample is the best guess.
    }
    const now = clock.now();
    const growth = Math.max(0, bytes - watched.bytes) / Math.max(1, now - watched.at);
    watched.bytes = bytes;
    watched.at = now;
    watched.peak = Math.max(watched.peak, bytes);
    const wait = Math.max(nextSample(bytes, watched.limit, growth), Math.min(MAX_INTERVAL, (now - began) / MAX_SHARE));
    watched.due = now + wait;
    if (bytes <= watched.limit) return;
    all.delete(watched);
    watched.exceeded(bytes);
  };

  /** One timer for all trees, set for the earliest sample. */
  const schedule = (): void => {
    const first = Math.min(...[...all].map(({ due }) => due));
    if (first === timerDue) return;
    if (timer !== null) clock.clearTimeout(timer);
    timerDue = first;
    timer = Number.isFinite(first) ? clock.setTimeout(run, Math.max(0, first - clock.now())) : null;
  };
  const run = (): void => {
    timer = null;
    timerDue = Number.POSITIVE_INFINITY;
    // New processes count for their trees. Where there are too many, a full scan finds them before the next sample.
    if (!scanner.scanNew()) void scanner.scan();
    const now = clock.now();
    for (const watched of [...all]) if (watched.due <= now + TOGETHER) sample(watched);
    schedule();
  };

  return {
    measure: tree => memoryOf(processTable, tree, Number.POSITIVE_INFINITY),
    watch(tree, limit, exceeded) {
      const now = clock.now();
      const watched: Watched = { tree, limit, exceeded, bytes: 0, peak: 0, at: now, due: now + MIN_INTERVAL };
      all.add(watched);
      schedule();
      return {
        get bytes() {
          return watched.bytes;
        },
        get peak() {
          return watched.peak;
        },
        stop() {
          all.delete(watched);
          schedule();
        },
      };
    },
    close() {
      all.clear();
      schedule();
    },
  };
}

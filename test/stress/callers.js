// Checks what callers see while instances are killed, stopped, frozen, disconnected and blocked at random. Each world is drawn
// from a seed, and a reference model (callers/model.js) judges each execution. A finding fails the proof and prints the seed:
// `npm run stress -- --only callers --seed <seed> --worlds 1` runs that world again, as far as real time allows.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { runWorld } from './callers/world.js';

const WHOLE = { slots: 4, callers: 4, milliseconds: 15_000, minutes: 5, worlds: Number.POSITIVE_INFINITY };
/** The most bytes by which the heap of the last quarter of the worlds may exceed that of the second quarter. */
const MAX_GROWTH = 16 * 2 ** 20;
/** With fewer worlds, growth cannot be judged. */
const MIN_WORLDS = 12;
const MAX_FINDINGS = 20;

const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const count = (counts, name, by = 1) => {
  counts[name] = (counts[name] ?? 0) + by;
};
/** The kind of a finding: its text without ids and numbers. */
const nameOf = text =>
  text
    .replaceAll(/[a-z]+-[0-9a-f]{8,}/g, 'id')
    .replaceAll(/\{.*\}|\[.*\]|'[^']*'|[\d.]+/g, '#')
    .slice(0, 110);

export async function callers(seed, say, sizes = {}) {
  const { minutes, worlds, milliseconds, ...size } = { ...WHOLE, ...sizes };
  const until = performance.now() + minutes * 60_000;
  const uncaught = [];
  const note = error => uncaught.push(String(error?.stack ?? error));
  const warned = warning => warning.name === 'MaxListenersExceededWarning' && note(warning);
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
  process.on('warning', warned);
  const lag = monitorEventLoopDelay({ resolution: 10 });
  lag.enable();
  const figures = {
    worlds: 0,
    executions: 0,
    instances: 0,
    retries: 0,
    outcomes: {},
    faults: {},
    readers: 0,
    gaps: 0,
    gapBytes: 0,
    truncatedBytes: 0,
    starved: 0,
  };
  const [findings, heap] = [[], []];
  const kinds = {};
  /** A function of its own, so that no object of a world is reachable while the heap is measured. */
  const judgeWorld = async own => {
    const world = await runWorld(own, { ...size, milliseconds });
    figures.worlds += 1;
    figures.executions += world.all.length;
    figures.instances += world.hosts.length;
    figures.starved += world.starved;
    for (const [name, times] of Object.entries(world.faults)) count(figures.faults, name, times);
    for (const { outcome, readers, follows } of world.all) {
      if (follows !== undefined) figures.retries += 1;
      count(figures.outcomes, outcome === null ? 'never' : (outcome.error?.code ?? outcome.result?.status ?? String(outcome.error)));
      figures.truncatedBytes += outcome?.result?.truncatedBytes ?? outcome?.error?.truncatedBytes ?? 0;
      figures.readers += readers.length;
      for (const { from, to } of readers.flatMap(({ gaps }) => gaps)) {
        figures.gaps += 1;
        figures.gapBytes += to - from;
      }
    }
    for (const error of uncaught.splice(0)) world.findings.push({ text: `uncaught: ${error}` });
    for (const { text, details } of world.findings) {
      count(kinds, nameOf(text));
      findings.push(`seed ${own}: ${text}`);
      // Details are printed for the first two of a kind.
      if (kinds[nameOf(text)] <= 2) say(`FOUND, seed ${own}: ${text}\n${details ?? ''}`);
    }
    const found = `${world.all.length} executions, ${world.findings.length} findings`;
    const before = Math.round(heap.at(-1) / 2 ** 20);
    say(`world ${figures.worlds} (seed ${own}): ${found}; ${figures.executions} executions in all, heap ${before} MiB before it`);
  };
  try {
    while (figures.worlds < worlds && (figures.worlds === 0 || performance.now() < until)) {
      // The heap that the earlier worlds have left.
      global.gc?.();
      heap.push(process.memoryUsage().heapUsed);
      await judgeWorld((seed + figures.worlds) >>> 0);
    }
  } finally {
    process.off('unhandledRejection', note);
    process.off('uncaughtException', note);
    process.off('warning', warned);
    lag.disable();
  }
  const quarter = Math.floor(heap.length / 4);
  const grown = heap.length < MIN_WORLDS ? 0 : median(heap.slice(-quarter)) - median(heap.slice(quarter, 2 * quarter));
  if (grown > MAX_GROWTH) findings.push(`the heap has grown by ${grown} bytes`);
  return {
    passed: findings.length === 0,
    ...figures,
    heapMiB: [heap[0], heap.at(-1)].map(bytes => Math.round(bytes / 2 ** 20)),
    longestStallMs: Math.round(lag.max / 1e6),
    findingCount: findings.length,
    findingKinds: kinds,
    findings: findings.slice(0, MAX_FINDINGS),
  };
}

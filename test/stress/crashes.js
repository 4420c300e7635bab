// 200 instances crash in a loop for a minute, beside a healthy one: its round trips stay short, every restart comes as the policy
// says (each wait below its bound, which doubles; as many falls as the intensity forgives), the heap stays flat, nothing is left.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { quantile, roundTrips, sleep, survivors, zombies } from './measure.js';

const WHOLE = { looping: 190, limited: 10, milliseconds: 60_000, bound: 20, backoff: { min: 200, max: 30_000 } };
const INTENSITY = 5;
/**
 * Heap that a fall may leave, in bytes, over the second half. Our own notes are in it, and code that V8 still compiles: in a
 * run of 3,200 falls of 30 instances it was some 1,500 a fall up to 800, and 200 from 2,000 on.
 */
const HEAP_PER_FALL = 1_024;
const HALF = 2;
/** What a timer may come late by, in ms, where 200 programs share two cores. */
const LATE = 250;
const everyday = fileURLToPath(new URL('../agents/everyday.js', import.meta.url));
/** An agent the first time, so that its policy begins; then a program that fails at once. */
const script = '[ -e "$1" ] && exit 9; : > "$1"; exec "$2" "$3"';

/** How each instance fell, waited and came back. */
function watch(spearlet) {
  const all = new Map();
  spearlet.events$.subscribe(event => {
    if (!all.has(event.instanceId)) all.set(event.instanceId, { falls: 0, spawned: 0, waits: [], since: null, reason: null });
    const one = all.get(event.instanceId);
    if (event.type === 'instance.spawned') one.spawned += 1;
    if (event.type === 'instance.exited') {
      one.falls += 1;
      one.reason = event.report.reason;
    }
    if (event.type !== 'instance.state') return;
    if (event.state === 'backoff') one.since = performance.now();
    else if (one.since !== null) {
      if (event.state !== 'stopped' && event.state !== 'stopping') one.waits.push(performance.now() - one.since);
      one.since = null;
    }
  });
  return all;
}

export async function crashes(_seed, say, { looping, limited, milliseconds, bound, backoff } = WHOLE) {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-crashes-'));
  const open = intensity =>
    createSpearlet({ logger: false, ports: 0, restart: { intensity, period: 10 * 60_000, backoff }, maxConcurrentStarts: 4 });
  const [endless, strict] = [open(1_000_000), open(INTENSITY)];
  const [ofEndless, ofStrict] = [watch(endless), watch(strict)];
  const healthy = await endless.start({ artifactId: 'healthy', command: process.execPath, args: [everyday] });
  const begin = (spearlet, name) =>
    spearlet.start({
      artifactId: name,
      command: 'sh',
      args: ['-c', script, 'sh', join(folder, name), process.execPath, everyday],
      restart: 'permanent',
    });
  const loopers = await Promise.all([
    ...Array.from({ length: looping }, (_, n) => begin(endless, `looping-${n}`)),
    ...Array.from({ length: limited }, (_, n) => begin(strict, `limited-${n}`)),
  ]);
  const quiet = roundTrips(healthy);
  await sleep(milliseconds / 20);
  const calm = await quiet.end();
  say(`${loopers.length} stand; calm p99 ${quantile(calm, 0.99)} ms`);

  const used = () => {
    for (let i = 0; i < 3; i += 1) global.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const fallsNow = () => [...ofEndless.values(), ...ofStrict.values()].reduce((sum, { falls }) => sum + falls, 0);
  const trips = roundTrips(healthy);
  const cpu = process.cpuUsage();
  for (const { pid } of loopers) process.kill(pid, 'SIGKILL');
  await sleep(milliseconds / HALF);
  // The collector is ours: what it takes is not the host's.
  const first = await trips.end();
  const middle = { heap: used(), falls: fallsNow() };
  const more = roundTrips(healthy);
  await sleep(milliseconds / HALF);
  const second = await more.end();
  const { user, system } = process.cpuUsage(cpu);
  const end = { heap: used(), falls: fallsNow() };

  const limitedOnes = loopers.filter(({ id }) => ofStrict.has(id));
  // They are given up long before; on a busy machine one waits.
  await Promise.all(limitedOnes.map(({ exited }) => exited));
  const faults = [];
  const tooLate = [];
  let longest = 0;
  for (const [id, { falls, waits, spawned }] of ofEndless) {
    if (id === healthy.id) continue;
    // The bound doubles with every fall after the first. A timer may be late; the queue for a start comes after.
    waits.forEach((wait, n) => {
      const most = Math.min(backoff.max, backoff.min * 2 ** n);
      longest = Math.max(longest, wait - most);
      if (wait > most + LATE) tooLate.push(`${id}: wait ${n + 1} took ${Math.round(wait)} ms, its bound is ${most}`);
    });
    const expected = waits.length + 1;
    if (spawned !== expected || falls < waits.length || falls > expected)
      faults.push(`${id}: ${falls} falls, ${waits.length} waits, ${spawned} programs`);
  }
  for (const [id, { falls, spawned }] of ofStrict) {
    if (spawned !== INTENSITY + 1 || falls !== INTENSITY + 1)
      faults.push(`${id}: ${spawned} programs and ${falls} falls, intensity ${INTENSITY}`);
  }
  const givenUp = limitedOnes.filter(instance => instance.state === 'stopped').length;
  const { state } = healthy;
  await Promise.all([endless.stop(), strict.stop()]);
  const left = survivors(id => ofEndless.has(id) || ofStrict.has(id)).length + zombies();
  rmSync(folder, { recursive: true });
  const during = [...first, ...second];
  const p99 = quantile(during, 0.99);
  const perFall = Math.round((end.heap - middle.heap) / Math.max(1, end.falls - middle.falls));
  const passed =
    faults.length === 0 && left === 0 && p99 < bound && perFall < HEAP_PER_FALL && (state === 'ready' || state === 'executing');
  return {
    passed,
    instances: loopers.length,
    falls: end.falls,
    givenUp: `${givenUp} of ${limited}`,
    roundTrips: { count: during.length, p50: quantile(during, 0.5), p99, max: quantile(during, 1), bound, calmP99: quantile(calm, 0.99) },
    latestTimer: Math.round(longest),
    heapPerFall: perFall,
    cpuShare: Math.round(((user + system) / 1_000 / milliseconds) * 100) / 100,
    left,
    faults: faults.slice(0, 10),
    faultCount: faults.length,
    tooLate: tooLate.slice(0, 10),
  };
}

// The child of an agent writes 1 GB without a newline, after a warm-up of 200 MB. The memory of the host does not grow, every byte
// is counted, and the responses and heartbeats of the agent and of a neighbour are not delayed. Runs in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { quantile, roundTrips, sleep } from './measure.js';

const WHOLE = { warmUp: 200, megabytes: 1_000, quiet: 2_000 };
/** The most bytes by which the memory may grow, and the most ms by which the p99 of round trips may. */
const MAX_GROWTH = 8 * 2 ** 20;
const MAX_SLOWDOWN = 20;
/**
 * Keeps V8's young generation at its smallest size (1 MB for each half). Otherwise a garbage collection shrinks it, and the round
 * trips alone grow it again by up to 18 MB, which would hide what is measured here.
 */
const STEADY = '--max-semi-space-size=1';
const greedy = fileURLToPath(new URL('../agents/greedy.js', import.meta.url));
const own = fileURLToPath(import.meta.url);

async function host({ warmUp, megabytes, quiet }) {
  const spearlet = createSpearlet({ logger: false, ports: 0, heartbeat: { interval: 200, misses: 3 } });
  const start = artifactId => spearlet.start({ artifactId, command: process.execPath, args: [greedy] });
  const [flooding, neighbour] = [await start('flooding'), await start('neighbour')];
  const closed = [];
  spearlet.events$.subscribe(event => event.type === 'connection.closed' && closed.push(event.code));
  const during = async work => {
    const trips = [roundTrips(flooding), roundTrips(neighbour)];
    await work();
    const [mine, theirs] = await Promise.all(trips.map(each => each.end()));
    const of = times => ({ trips: times.length, p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: quantile(times, 1) });
    return { flooding: of(mine), neighbour: of(theirs) };
  };
  const flood = amount => flooding.execute({ command: 'spill', args: [String(amount)] }).result;
  await during(() => flood(warmUp));
  const calm = await during(() => sleep(quiet));
  global.gc();
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 5);
  const began = performance.now();
  const flooded = await during(() => flood(megabytes));
  const seconds = (performance.now() - began) / 1_000;
  clearInterval(watch);
  const grewBy = Math.max(peak, process.memoryUsage.rss()) - before;
  const report = await flooding.stop();
  await spearlet.stop();
  const uncounted = (warmUp + megabytes) * 1e6 - report.outputBytes;
  const slower = { flooding: flooded.flooding.p99 - calm.flooding.p99, neighbour: flooded.neighbour.p99 - calm.neighbour.p99 };
  const isFast = Math.max(slower.flooding, slower.neighbour) < MAX_SLOWDOWN;
  const passed = grewBy < MAX_GROWTH && uncounted === 0 && closed.every(code => code === 'LINK_LOST') && isFast;
  return { passed, grewBy, bound: MAX_GROWTH, uncounted, dropped: report.droppedBytes, seconds, calm, flooded, slower, closed };
}

export async function flood(_seed, say, sizes = WHOLE) {
  const child = spawn(process.execPath, ['--expose-gc', STEADY, own, JSON.stringify(sizes)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', chunk => {
    text += chunk;
  });
  await once(child, 'close');
  say(text.trim());
  return JSON.parse(text);
}

if (process.argv[1] === own) process.stdout.write(JSON.stringify(await host(JSON.parse(process.argv[2]))));

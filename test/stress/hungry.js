// An agent that grows by 500 MB a second is ended as MEMORY_EXCEEDED within a second after it has exceeded its limit of 300 MB.
// A neighbour runs on.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { quantile, roundTrips, survivors } from './measure.js';

const RATE = 500;
const LIMIT = 300;
/** The agent stops growing at this size, in MB: then the limit was not enforced. */
const MAX_SIZE = 900;
const WITHIN = 1_000;
const WHOLE = { times: 5 };
const greedy = fileURLToPath(new URL('../agents/greedy.js', import.meta.url));

export async function hungry(_seed, say, { times } = WHOLE) {
  const spearlet = createSpearlet({ logger: false, ports: 0 });
  const neighbour = await spearlet.start({ artifactId: 'neighbour', command: process.execPath, args: [greedy], maxMemory: '1GB' });
  const trips = roundTrips(neighbour);
  const took = [];
  const sizes = [];
  const faults = [];
  for (let time = 0; time < times; time += 1) {
    const instance = await spearlet.start({ artifactId: 'hungry', command: process.execPath, args: [greedy], maxMemory: `${LIMIT}MB` });
    const execution = instance.execute({ command: 'grow', args: [String(RATE), String(MAX_SIZE)] }, { reject: false });
    let crossed = null;
    let size = 0;
    execution.updates$.subscribe(({ output }) => {
      const now = Number(output?.trim().split('\n').at(-1) ?? 0);
      size = Math.max(size, now);
      if (size >= LIMIT) crossed ??= performance.now();
    });
    const ended = execution.result.catch(error => error);
    const first = await Promise.race([instance.exited, ended]);
    if (first.output === 'grown') {
      faults.push({ reason: 'maxMemory was not enforced', size });
      await instance.stop({ grace: 0 });
      continue;
    }
    const report = await instance.exited;
    const { code, cause } = await ended;
    took.push(crossed === null ? 0 : performance.now() - crossed);
    sizes.push(size);
    const left = survivors(id => id === instance.id).length;
    const { reason, message, peakMemory, signal } = report;
    const known = code === 'OUTCOME_UNKNOWN' && cause?.code === 'MEMORY_EXCEEDED' && peakMemory > LIMIT * 1e6;
    if (reason !== 'memory' || left > 0 || !known) faults.push({ reason, message, signal, left, code, peakMemory });
    say(`${Math.round(took.at(-1))} ms after crossing, at ${size} MB: ${reason}, peak ${peakMemory}, execution ${code} for ${cause?.code}`);
  }
  const alive = neighbour.state === 'ready' || neighbour.state === 'executing';
  const all = await trips.end();
  await spearlet.stop();
  const passed = faults.length === 0 && alive && Math.max(0, ...took) < WITHIN;
  const neighbourFigures = { alive, trips: all.length, p50: quantile(all, 0.5), p99: quantile(all, 0.99) };
  return {
    passed,
    endedAfter: { p50: quantile(took, 0.5), max: quantile(took, 1), bound: WITHIN },
    sizeAtEnd: sizes,
    neighbour: neighbourFigures,
    faults,
  };
}

// Kills a host of 50 agents; some have daemons, some ignore the end of the host. Counts the living processes after 0.5, 1 and 3 s,
// and after the next start with the same stateDir, for each containment.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { randomOf, sleep, survivors } from './measure.js';

const WHOLE = { agents: 50, moments: [500, 1_000, 3_000], kills: 30 };
/** The longest time between the creation of a ledger and the kill of its host, in ms: a start takes about that long. */
const START_TIME = 200;
const SHAPES = ['none', 'daemon', 'none', 'stubborn', 'command', 'double-fork-daemon', 'none', 'ignores-sigterm', 'child', 'none'];
const file = name => fileURLToPath(new URL(`../agents/${name}`, import.meta.url));

async function killOne(how, agents, moments, say) {
  const stateDir = mkdtempSync(join(tmpdir(), 'spearlet-hosts-'));
  const host = spawn(process.execPath, [file('leaving-host.js'), how, stateDir, String(agents), ...SHAPES], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of host.stdout) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  const started = JSON.parse(text);
  if (!Array.isArray(started)) {
    host.kill('SIGKILL');
    rmSync(stateDir, { recursive: true });
    say(`${how}: ${JSON.stringify(started)}`);
    return { passed: false, failed: started };
  }
  const shapeOf = new Map(started.map(({ id, shape }) => [id, shape]));
  // In a namespace the leaves report pids of that namespace, which name other processes outside: there only the cookie counts.
  const known = new Map(started.flatMap(({ id, pid, leaves }) => [pid, ...(how === 'namespace' ? [] : leaves)].map(each => [each, id])));
  const count = () => {
    const left = survivors(id => shapeOf.has(id), known);
    const byShape = {};
    for (const { instanceId } of left) byShape[shapeOf.get(instanceId)] = (byShape[shapeOf.get(instanceId)] ?? 0) + 1;
    return { left: left.length, ...(left.length > 0 ? { byShape } : {}) };
  };
  const before = count().left;
  host.kill('SIGKILL');
  const killed = performance.now();
  await once(host, 'exit');
  const figures = { agents, processes: before };
  for (const moment of moments) {
    await sleep(moment - (performance.now() - killed));
    figures[`after ${moment} ms`] = count();
  }
  const spearlet = createSpearlet({ logger: false, ports: 0, stateDir });
  const cleanedUp = new Promise(resolve => spearlet.events$.subscribe(event => event.type === 'leftovers.ended' && resolve(event)));
  const began = performance.now();
  await spearlet.start({ artifactId: 'next', command: process.execPath, args: [file('everyday.js')] });
  const startTook = Math.round(performance.now() - began);
  figures['after the next start'] = { ...count(), startTook, event: await cleanedUp };
  await spearlet.stop();
  figures.filesLeft = readdirSync(stateDir).length;
  rmSync(stateDir, { recursive: true });
  say(`${how}: ${JSON.stringify(figures)}`);
  const onlyStubborn = Object.keys(figures[`after ${moments[1]} ms`].byShape ?? {}).every(shape => shape === 'stubborn');
  const early = how === 'namespace' ? figures[`after ${moments[0]} ms`].left === 0 : onlyStubborn;
  return { passed: early && figures['after the next start'].left === 0 && figures.filesLeft === 0, ...figures };
}

/** Kills hosts while they start agents that ignore the end of the host, and counts what lives before and after the next start. */
export async function killedWhileStarting(seed, say, { kills }) {
  const random = randomOf(seed);
  const stateDir = mkdtempSync(join(tmpdir(), 'spearlet-hosts-'));
  let [found, left, filesLeft] = [0, 0, 0];
  for (let kill = 0; kill < kills; kill += 1) {
    const tag = `-${process.pid}-${kill}`;
    const host = spawn(process.execPath, [file('leaving-host.js'), 'default', stateDir, '4', 'stubborn'], {
      stdio: 'ignore',
      env: { ...process.env, LEAVING: tag },
    });
    const gone = once(host, 'exit');
    while (readdirSync(stateDir).length === 0) await sleep(1);
    const until = performance.now() + START_TIME * random();
    while (performance.now() < until);
    host.kill('SIGKILL');
    await gone;
    const ours = id => id.startsWith(`leaving${tag}-`);
    // A process that was just forked may not have its own environment yet.
    await sleep(20);
    const before = survivors(ours).length;
    found += before;
    const next = createSpearlet({ logger: false, ports: 0, stateDir });
    const cleanedUp = new Promise(resolve => next.events$.subscribe(event => event.type === 'leftovers.ended' && resolve(event)));
    await cleanedUp;
    left += survivors(ours).length;
    await next.stop();
    filesLeft += readdirSync(stateDir).length;
  }
  rmSync(stateDir, { recursive: true });
  say(`${kills} hosts killed while starting: ${found} processes found, ${left} left, ${filesLeft} files left`);
  return { passed: left === 0 && filesLeft === 0, kills, found, left, filesLeft };
}

export async function hosts(seed, say, { agents, moments, kills } = WHOLE) {
  const figures = {};
  for (const how of ['default', 'namespace']) figures[how] = await killOne(how, agents, moments, say);
  figures.starting = await killedWhileStarting(seed, say, { kills });
  return { passed: Object.values(figures).every(({ passed }) => passed), ...figures };
}

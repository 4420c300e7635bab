// A host with 50 agents is killed, several of them with daemons and some that ignore its end: what is left after 0.5, 1 and
// 3 s, and after the next start with the same stateDir, per containment.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { chanceOf, sleep, survivors } from './measure.js';

const WHOLE = { agents: 50, moments: [500, 1_000, 3_000], kills: 30 };
/** The moment of a kill, from the birth of a host's file on, in ms: a start takes about so long. */
const STARTING = 200;
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
  const standing = JSON.parse(text);
  if (!Array.isArray(standing)) {
    host.kill('SIGKILL');
    rmSync(stateDir, { recursive: true });
    say(`${how}: ${JSON.stringify(standing)}`);
    return { passed: false, failed: standing };
  }
  const shapeOf = new Map(standing.map(({ id, shape }) => [id, shape]));
  // In a namespace the leaves say numbers of their own, which are others' outside: there the cookie has to do.
  const said = new Map(standing.flatMap(({ id, pid, leaves }) => [pid, ...(how === 'namespace' ? [] : leaves)].map(each => [each, id])));
  const count = () => {
    const left = survivors(id => shapeOf.has(id), said);
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
  const told = new Promise(resolve => spearlet.events$.subscribe(event => event.type === 'leftovers.ended' && resolve(event)));
  const began = performance.now();
  await spearlet.start({ artifactId: 'next', command: process.execPath, args: [file('everyday.js')] });
  const startTook = Math.round(performance.now() - began);
  figures['after the next start'] = { ...count(), startTook, told: await told };
  await spearlet.stop();
  figures.filesLeft = readdirSync(stateDir).length;
  rmSync(stateDir, { recursive: true });
  say(`${how}: ${JSON.stringify(figures)}`);
  const patient = Object.keys(figures[`after ${moments[1]} ms`].byShape ?? {}).every(shape => shape === 'stubborn');
  const early = how === 'namespace' ? figures[`after ${moments[0]} ms`].left === 0 : patient;
  return { passed: early && figures['after the next start'].left === 0 && figures.filesLeft === 0, ...figures };
}

/** Hosts that are killed while they start agents that ignore their end, and what the next one finds of them. */
export async function killedWhileStarting(seed, say, { kills }) {
  const random = chanceOf(seed);
  const stateDir = mkdtempSync(join(tmpdir(), 'spearlet-hosts-'));
  let [met, left, torn] = [0, 0, 0];
  for (let kill = 0; kill < kills; kill += 1) {
    const tag = `-${process.pid}-${kill}`;
    const host = spawn(process.execPath, [file('leaving-host.js'), 'default', stateDir, '4', 'stubborn'], {
      stdio: 'ignore',
      env: { ...process.env, LEAVING: tag },
    });
    const gone = once(host, 'exit');
    while (readdirSync(stateDir).length === 0) await sleep(1);
    const until = performance.now() + STARTING * random();
    while (performance.now() < until);
    host.kill('SIGKILL');
    await gone;
    const ours = id => id.startsWith(`leaving${tag}-`);
    // Who was just forked may not have its own environment yet.
    await sleep(20);
    const before = survivors(ours).length;
    met += before;
    const next = createSpearlet({ logger: false, ports: 0, stateDir });
    const told = new Promise(resolve => next.events$.subscribe(event => event.type === 'leftovers.ended' && resolve(event)));
    await told;
    left += survivors(ours).length;
    await next.stop();
    torn += readdirSync(stateDir).length;
  }
  rmSync(stateDir, { recursive: true });
  say(`${kills} hosts killed while starting: ${met} processes met, ${left} left, ${torn} files left`);
  return { passed: left === 0 && torn === 0, kills, met, left, filesLeft: torn };
}

export async function hosts(seed, say, { agents, moments, kills } = WHOLE) {
  const figures = {};
  for (const how of ['default', 'namespace']) figures[how] = await killOne(how, agents, moments, say);
  figures.starting = await killedWhileStarting(seed, say, { kills });
  return { passed: Object.values(figures).every(({ passed }) => passed), ...figures };
}

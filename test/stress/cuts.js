// Connections of wire v2 that a proxy cuts while work of every kind is in flight: reset, closed, ended within a frame of either
// side, lost for one end, or silent. Host and agents live on, so no caller may notice anything.
import { createSpearlet } from 'spearlet';
import { pick, randomOf, whole } from './callers/content.js';
import { createProxy } from './callers/proxy.js';
import { sleep } from './measure.js';
import { addUp, steady, watchDeaths, work } from './work.js';

const WHOLE = { cuts: 10_000, instances: 8 };
/** Half-open and silent connections are noticed after seconds: so there are few. */
const WAYS = { reset: 40, close: 10, inFrame: 20, inRequest: 15, hostOnly: 6, agentOnly: 6, silent: 6 };
/** Longer than a session takes to go on, also on a busy machine, in ms. */
const HUNG = 60_000;

/** Resolves with whether `isSo` has become true in time. */
async function until(isSo) {
  for (const late = performance.now() + HUNG; !isSo(); await sleep(2)) if (performance.now() > late) return false;
  return true;
}

export async function cuts(seed, say, sizes = {}) {
  const { cuts: count, instances } = { ...WHOLE, ...sizes };
  const proxy = await createProxy();
  const spearlet = createSpearlet({
    logger: false,
    ports: 0,
    heartbeat: { interval: 200, misses: 2 },
    reconnectWindow: HUNG,
    grace: HUNG,
  });
  const findings = [];
  const opened = new Map();
  spearlet.events$.subscribe(({ type, instanceId }) => {
    if (type === 'connection.opened') opened.set(instanceId, (opened.get(instanceId) ?? 0) + 1);
  });
  const deaths = watchDeaths(spearlet, findings);
  const sum = { cuts: 0 };
  const ways = {};

  const disturb = async (instance, busy, random) => {
    while (sum.cuts < count && findings.length === 0) {
      await sleep(random() * 30);
      if (!(await until(() => busy.inFlight > 0))) findings.push(`${instance.id}: no work is in flight`);
      const before = opened.get(instance.id);
      const way = pick(random, WAYS);
      // A connection may have been cut by what came before: then this one cuts its successor.
      if (!(await until(() => proxy.break(instance.id, way, whole(random, 1, random() < 0.5 ? 300 : 20_000)) > 0)))
        findings.push(`${instance.id}: no connection to cut`);
      sum.cuts += 1;
      ways[way] = (ways[way] ?? 0) + 1;
      if (sum.cuts % 1_000 === 0) say(`${sum.cuts} cuts`);
      if (!(await until(() => opened.get(instance.id) > before))) findings.push(`${instance.id}: no session again after ${way}`);
    }
  };
  try {
    const all = await Promise.all(Array.from({ length: instances }, () => spearlet.start(steady(proxy.port))));
    await Promise.all(
      all.map(async (instance, n) => {
        const busy = work(instance, randomOf(seed, n));
        await disturb(instance, busy, randomOf(seed, n, 1));
        const judged = await busy.end();
        findings.push(...judged.findings);
        addUp(sum, judged.figures);
      }),
    );
  } catch (error) {
    findings.push(`the proof itself failed: ${error.stack}`);
  } finally {
    deaths.unsubscribe();
    await spearlet.stop();
    await proxy.close();
  }
  return { passed: findings.length === 0, ...sum, ways, findings: findings.slice(0, 20) };
}

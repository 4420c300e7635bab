// The event loop of the host stands still for 5 s, and all agents are stopped for 3 s, while work of every kind is in flight; with
// the default heartbeat and with the shortest one. No agent may count as dead, and no caller may notice anything.
import { createSpearlet } from 'spearlet';
import { randomOf } from './callers/content.js';
import { sleep } from './measure.js';
import { addUp, steady, watchDeaths, work } from './work.js';

const WHOLE = { rounds: 5, instances: 3, heartbeats: ['default', 'shortest'], stalls: ['host', 'agents'] };
const HEARTBEATS = { default: {}, shortest: { interval: 10, misses: 1 } };
const STALL = 5_000;
const STOPPED = 3_000;
/** So long work goes on between two stalls, in ms. */
const BETWEEN = 1_000;

const STALLS = {
  host() {
    for (const until = performance.now() + STALL; performance.now() < until; );
  },
  async agents(instances) {
    const pids = instances.map(({ pid }) => pid);
    try {
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      await sleep(STOPPED);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
  },
};

export async function stalls(seed, say, sizes = {}) {
  const { rounds, instances: count, heartbeats, stalls: kinds } = { ...WHOLE, ...sizes };
  const sum = { stalls: 0, reconnects: 0 };
  const findings = [];
  for (const name of heartbeats) {
    const spearlet = createSpearlet({ logger: false, ports: 0, heartbeat: HEARTBEATS[name] });
    const deaths = watchDeaths(spearlet, findings);
    try {
      const instances = await Promise.all(Array.from({ length: count }, () => spearlet.start(steady())));
      const all = instances.map((instance, n) => work(instance, randomOf(seed, n)));
      for (let round = 0; round < rounds && findings.length === 0; round += 1)
        for (const kind of kinds) {
          await sleep(BETWEEN);
          if (all.some(({ inFlight }) => inFlight === 0)) findings.push('no work is in flight');
          await STALLS[kind](instances);
          sum.stalls += 1;
          say(`${name} heartbeat: ${kind} stalled`);
        }
      for (const judged of await Promise.all(all.map(each => each.end()))) {
        findings.push(...judged.findings);
        addUp(sum, judged.figures);
      }
      for (const { reconnects } of spearlet.stats().instances) sum.reconnects += reconnects;
    } catch (error) {
      findings.push(`the proof itself failed: ${error.stack}`);
    } finally {
      deaths.unsubscribe();
      await spearlet.stop();
    }
  }
  return { passed: findings.length === 0, ...sum, findings: findings.slice(0, 20) };
}

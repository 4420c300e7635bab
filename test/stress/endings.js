// Ends agents with each of the twelve shapes of process trees by a stop, a crash, a restart or spearlet.stop(), thirty times each.
// Afterwards no process of a tree may live, and this process may have no zombie.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { processTable as table } from '../../dist/src/process/tree/proc-table.js';
import { shapes } from '../agents/tree.js';
import { quantile, randomOf, sleep, survivors, zombies } from './measure.js';

/** `later`: how long the processes may take to disappear after a report without `left`, in ms. */
const WHOLE = { rounds: 30, later: 2_000 };
const program = fileURLToPath(new URL('../agents/tree.js', import.meta.url));

const next = (instance, state, incarnation) =>
  new Promise((resolve, reject) =>
    instance.state$.subscribe({
      next: each => each === state && instance.incarnation >= incarnation && resolve(),
      complete: () => reject(new Error(`${instance.id} did not reach ${state}`)),
    }),
  );

export async function endings(seed, say, { rounds, later } = WHOLE) {
  const random = randomOf(seed);
  const took = [];
  const faults = [];
  let [ended, late, zombieCount] = [0, 0, 0];
  const open = () => createSpearlet({ logger: false, ports: 0, restart: { backoff: { min: 1, max: 2 } } });
  const start = async (spearlet, shape, restart = 'temporary') => {
    const instance = await spearlet.start({ artifactId: shape, command: process.execPath, args: [program, shape], restart });
    const leaves = JSON.parse((await instance.execute({ command: 'pids' }).result).output);
    const roots = [instance.pid, ...leaves];
    return { instance, processes: roots.map(pid => table.entry(pid)).filter(entry => entry !== null) };
  };
  /** The processes of the tree that still live, by pid and start time. Reading all processes twelve times would delay the host. */
  const left = ({ processes }) =>
    processes.filter(({ pid, startTime }) => {
      const now = table.entry(pid);
      return now?.living && now.startTime === startTime;
    });
  const ways = {
    async stop(spearlet, shape) {
      const one = await start(spearlet, shape);
      await sleep(random() * 20);
      const began = performance.now();
      return { one, began, report: await one.instance.stop({ grace: random() < 0.5 ? 0 : 400 }) };
    },
    async crash(spearlet, shape) {
      const one = await start(spearlet, shape);
      const began = performance.now();
      if (random() < 0.5) process.kill(one.instance.pid, 'SIGKILL');
      else one.instance.execute({ command: 'crash' });
      return { one, began, report: await one.instance.exited };
    },
    async restart(spearlet, shape) {
      const one = await start(spearlet, shape, 'permanent');
      const exited = new Promise(resolve =>
        spearlet.events$.subscribe(
          event => event.type === 'instance.exited' && event.instanceId === one.instance.id && resolve(event.report),
        ),
      );
      const began = performance.now();
      process.kill(one.instance.pid, 'SIGKILL');
      const report = await exited;
      await next(one.instance, 'ready', 2);
      return { one, began, report };
    },
  };
  const judge = async (what, { one, began, report }) => {
    took.push(performance.now() - began);
    ended += 1;
    let found = left(one);
    if (found.length > 0) late += 1;
    // A report with `left` promises that it lists all living processes.
    const until = performance.now() + (report.left === undefined ? later : 0);
    while (found.length > 0 && performance.now() < until) {
      await sleep(20);
      found = left(one);
    }
    if (found.length > 0) faults.push({ what, instanceId: one.instance.id, found: found.map(({ pid }) => [pid, table.command(pid)]) });
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const [way, end] of Object.entries(ways)) {
      const spearlet = open();
      const ids = new Set();
      spearlet.events$.subscribe(({ instanceId }) => ids.add(instanceId));
      await Promise.all(Object.keys(shapes).map(async shape => judge(`${way} of ${shape}`, await end(spearlet, shape))));
      // This ends the restarted instances.
      const began = performance.now();
      await spearlet.stop({ grace: round % 2 ? 0 : 400 });
      took.push(performance.now() - began);
      // A process that has just ended is reaped in the next turn.
      await sleep(1);
      zombieCount = Math.max(zombieCount, zombies());
      const remaining = survivors(id => ids.has(id));
      if (remaining.length > 0) faults.push({ what: 'spearlet.stop()', found: remaining });
    }
    say(`${ended} ended, ${late} reported before all processes were gone, ${faults.length} faults, ${zombieCount} zombies`);
  }
  const passed = faults.length === 0 && zombieCount === 0;
  return {
    passed,
    ended,
    reportedEarly: late,
    survivors: faults.length,
    zombies: zombieCount,
    took: { p50: quantile(took, 0.5), p99: quantile(took, 0.99), max: quantile(took, 1) },
    faults: faults.slice(0, 10),
  };
}

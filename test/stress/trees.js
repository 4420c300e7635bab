// Ends programs with each of the twelve shapes of process trees in three ways, thirty times, without and with a namespace.
// Afterwards no process may live, and this process may have no zombie.
import { fileURLToPath } from 'node:url';
import { probeNamespace } from '../../dist/src/process/containment/namespace.js';
import { createOutput } from '../../dist/src/process/output/output.js';
import { createSpawn, spawnProgram } from '../../dist/src/process/spawn.js';
import { processTable as table } from '../../dist/src/process/tree/proc-table.js';
import { createTrees } from '../../dist/src/process/tree/tree.js';
import { realClock } from '../../dist/src/world/clock.js';
import { shapes } from '../agents/tree.js';
import { randomOf } from './measure.js';

const ROUNDS = 30;
const WAYS = ['killed', 'crashed', 'disposed'];
const program = fileURLToPath(new URL('../agents/tree.js', import.meta.url));

/** Ends a tree `delay` ms after it is complete, and resolves with the duration of the end in ms. */
function endOne(spawn, namespace, instanceId, shape, way, delay) {
  return new Promise(resolve => {
    let began = null;
    let running;
    const end = () => {
      began = performance.now();
      if (way === 'killed') running.signal('SIGKILL');
      else if (way === 'crashed') process.kill(running.tree.root.pid, 'SIGABRT');
      else void running.dispose().then(() => resolve(performance.now() - began));
    };
    const followers = new Set([
      {
        next({ channel }) {
          if (channel !== 'stdout') return;
          followers.clear();
          setTimeout(end, delay);
        },
      },
    ]);
    const environment = { PATH: process.env.PATH, SPEARLET_INSTANCE_ID: instanceId };
    const what = { command: process.execPath, args: [program, shape], workingDirectory: '/', environment, ...namespace };
    running = spawn(what, createOutput(1_024, followers), {
      spawned() {},
      failed(error) {
        throw error;
      },
      exited() {},
      closed() {},
      ended: () => void running.dispose().then(() => resolve(performance.now() - began)),
    });
  });
}

export async function trees(seed, say) {
  const random = randomOf(seed);
  const spawn = createSpawn(createTrees(table, realClock), realClock);
  const namespace = await probeNamespace(spawnProgram, realClock, { PATH: process.env.PATH });
  const figures = {};
  let passed = true;
  for (const [how, extra] of [['plain', {}], ...(namespace.works ? [['namespace', { namespace }]] : [])]) {
    let [ended, survivors, zombies] = [0, 0, 0];
    const took = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const way of WAYS) {
        const prefix = `trees-${process.pid}-${how}-${round}-${WAYS.indexOf(way)}`;
        const all = Object.keys(shapes).map(shape => endOne(spawn, extra, `${prefix}-${shape}`, shape, way, random() * 30));
        took.push(...(await Promise.all(all)));
        ended += all.length;
        for (const pid of table.pids()) {
          const entry = table.entry(pid);
          if (entry?.living && String(table.cookie(pid)).startsWith(prefix)) {
            survivors += 1;
            say(`left behind: ${prefix}, ${table.cookie(pid)}, ${table.command(pid)}`);
          }
          if (entry?.living === false && entry.parent === process.pid) zombies += 1;
        }
      }
      say(`${how}: ${ended} ended, ${survivors} survivors, ${zombies} zombies`);
    }
    took.sort((a, b) => a - b);
    const at = share => Math.round(took[Math.floor(share * (took.length - 1))]);
    figures[how] = { ended, survivors, zombies, p50: at(0.5), p99: at(0.99), max: at(1) };
    passed &&= survivors === 0 && zombies === 0;
  }
  return { passed, ...figures };
}

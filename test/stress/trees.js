// Twelve shapes of trees, three ways to end, thirty times, plain and contained: no process may live afterwards, and none of
// our children may be a zombie.
import { fileURLToPath } from 'node:url';
import { probeNamespace } from '../../dist/src/process/containment/namespace.js';
import { createOutput } from '../../dist/src/process/output/output.js';
import { createSpawn, spawnProgram } from '../../dist/src/process/spawn.js';
import { processTable as table } from '../../dist/src/process/tree/proc-table.js';
import { createTrees } from '../../dist/src/process/tree/tree.js';
import { realClock } from '../../dist/src/world/clock.js';
import { shapes } from '../agents/tree.js';

const ROUNDS = 30;
const WAYS = ['killed', 'crashed', 'let go of'];
const program = fileURLToPath(new URL('../agents/tree.js', import.meta.url));

/** Resolves with the duration of the end in ms. The end begins at a moment from the seed, after the tree is complete. */
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
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
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

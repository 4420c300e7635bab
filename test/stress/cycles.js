// Starts 100 instances, runs an execution on each and stops them, ten times. Nothing is left, and the heap stays flat.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';

const INSTANCES = 100;
const ROUNDS = 10;
/** The most bytes by which the heap may grow in a round, on average over the last five. */
const MAX_GROWTH = 64 * 1024;
const agent = fileURLToPath(new URL('../agents/everyday.js', import.meta.url));

const settle = async () => {
  for (let i = 0; i < 5; i += 1) {
    await new Promise(resolve => setTimeout(resolve, 20));
    global.gc();
  }
};
const children = () =>
  readdirSync('/proc').filter(pid => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')[1] === String(process.pid);
    } catch {
      return false;
    }
  }).length;

export async function cycles(seed, say) {
  const handles = () =>
    process
      .getActiveResourcesInfo()
      .filter(kind => kind !== 'PipeWrap' && kind !== 'TTYWrap')
      .sort()
      .join();
  const fds = () => readdirSync('/proc/self/fd').length;
  let random = seed;
  const next = n => (random = (random * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  await settle();
  const before = { fds: fds(), handles: handles() };
  const spearlet = createSpearlet({ logger: false, maxConcurrentStarts: 8 });
  const heaps = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    await Promise.all(
      Array.from({ length: INSTANCES }, async (_, i) => {
        const instance = await spearlet.start({ artifactId: 'everyday', command: process.execPath, args: [agent] });
        const { output } = await instance.execute({ command: 'echo', args: [String(i)] }).result;
        if (output !== String(i)) throw new Error(`wrong answer: ${output}`);
        // Some are stopped with grace, some without, and the programs of some are killed.
        const way = next(3);
        if (way === 0) await instance.stop();
        else if (way === 1) await instance.stop({ grace: 0 });
        else {
          process.kill(instance.pid, 'SIGKILL');
          await instance.exited;
        }
      }),
    );
    await settle();
    heaps.push(process.memoryUsage().heapUsed);
    say(`round ${round}: ${spearlet.instances.length} instances, ${children()} processes, heap ${(heaps.at(-1) / 2 ** 20).toFixed(2)} MiB`);
  }
  await spearlet.stop();
  await settle();
  const after = { fds: fds(), handles: handles() };
  const growth = Math.round((heaps.at(-1) - heaps.at(-6)) / 5);
  const passed = growth < MAX_GROWTH && children() === 0 && after.fds <= before.fds && after.handles === before.handles;
  return {
    passed,
    instances: INSTANCES,
    rounds: ROUNDS,
    heapGrowthPerRound: growth,
    bound: MAX_GROWTH,
    processesLeft: children(),
    before,
    after,
  };
}

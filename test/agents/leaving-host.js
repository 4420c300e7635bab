// A host that is about to be killed: `leaving-host.js <how> <stateDir or ''> <how many agents> <shape>...`. It starts so many,
// each with one of those trees below it in turn, says their ids and pids, and those of the leaves, and stays.
// `how` is `default`, or a containment.
import { createSpearlet } from 'spearlet';

const [how, stateDir, count, ...shapes] = process.argv.slice(2);
const file = name => new URL(name, import.meta.url).pathname;
const spearlet = createSpearlet({ logger: false, ports: 0, maxConcurrentStarts: 8, ...(stateDir ? { stateDir } : {}) });
const contained = how === 'default' ? {} : { containment: how };
const begin = async n => {
  const shape = shapes[n % shapes.length];
  const args =
    shape === 'stubborn' ? [file('stubborn.js'), 'connects'] : shape === 'none' ? [file('everyday.js')] : [file('tree.js'), shape];
  const instance = await spearlet.start({ artifactId: `leaving-${shape}`, command: process.execPath, args, ...contained });
  const asks = shape !== 'stubborn' && shape !== 'none';
  const leaves = asks ? JSON.parse((await instance.execute({ command: 'pids' }).result).output) : [];
  return { id: instance.id, shape, pid: instance.pid, leaves };
};
try {
  const standing = await Promise.all(Array.from({ length: Number(count) }, (_, n) => begin(n)));
  process.stdout.write(`${JSON.stringify(standing)}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message, issues: error.issues })}\n`);
  await spearlet.stop({ grace: 0 });
}

// A host that is about to be killed: `leaving-host.js <how> <stateDir or ''> <how many agents> <shape>...`. It starts so many,
// each with one of those trees below it in turn, says their ids and pids, and those of the leaves, and stays.
// `how` is `default`, or a containment. `none` has no tree, `stubborn` ignores its end, `command` is the command agent.
import { createSpearlet } from 'spearlet';

const [how, stateDir, count, ...shapes] = process.argv.slice(2);
const file = name => new URL(name, import.meta.url).pathname;
const spearlet = createSpearlet({ logger: false, ports: 0, maxConcurrentStarts: 8, ...(stateDir ? { stateDir } : {}) });
const special = {
  none: [file('everyday.js')],
  stubborn: [file('stubborn.js'), 'connects'],
  command: [file('../../dist/src/cli/main.js'), 'agent'],
};
const contained = how === 'default' ? {} : { containment: how };
const begin = async n => {
  const shape = shapes[n % shapes.length];
  const args = special[shape] ?? [file('tree.js'), shape];
  const instance = await spearlet.start({
    artifactId: `leaving${process.env.LEAVING ?? ''}-${shape}`,
    command: process.execPath,
    args,
    ...contained,
  });
  let leaves = [];
  if (shape === 'command') {
    // A program with a child and a daemon, which stays.
    const script = 'sleep 900 & setsid sleep 900 & echo "[$$]"; wait';
    for await (const { output } of instance.execute({ command: 'sh', args: ['-c', script] })) {
      if (output !== undefined) leaves = JSON.parse(output);
      if (leaves.length > 0) break;
    }
  } else if (!(shape in special)) leaves = JSON.parse((await instance.execute({ command: 'pids' }).result).output);
  return { id: instance.id, shape, pid: instance.pid, leaves };
};
try {
  const standing = await Promise.all(Array.from({ length: Number(count) }, (_, n) => begin(n)));
  process.stdout.write(`${JSON.stringify(standing)}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message, issues: error.issues })}\n`);
  await spearlet.stop({ grace: 0 });
}

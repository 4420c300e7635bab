// A host that the test kills: `contained-host.js <namespace | plain> <id prefix> <shape>...` starts a program of each shape,
// and writes a line when all trees are complete.
import { probeNamespace } from '../../dist/src/process/containment/namespace.js';
import { createOutput } from '../../dist/src/process/output/output.js';
import { createSpawn, spawnProgram } from '../../dist/src/process/spawn.js';
import { processTable } from '../../dist/src/process/tree/proc-table.js';
import { createTrees } from '../../dist/src/process/tree/tree.js';
import { realClock } from '../../dist/src/world/clock.js';

const [how, prefix, ...shapes] = process.argv.slice(2);
const environment = { PATH: process.env.PATH };
const namespace = how === 'namespace' ? { namespace: await probeNamespace(spawnProgram, realClock, environment) } : {};
const spawn = createSpawn(createTrees(processTable, realClock), realClock);
const standing = shapes.map(
  shape =>
    new Promise(resolve => {
      const followers = new Set([{ next: chunk => chunk.channel === 'stdout' && resolve() }]);
      const program = {
        ...namespace,
        command: process.execPath,
        args: [new URL('tree.js', import.meta.url).pathname, shape],
        workingDirectory: '/',
        environment: { ...environment, SPEARLET_INSTANCE_ID: `${prefix}-${shape}` },
      };
      spawn(program, createOutput(1_024, followers), {
        spawned() {},
        failed: error => process.stderr.write(`${error}\n`),
        exited() {},
        closed() {},
      });
    }),
);
await Promise.all(standing);
process.stdout.write('standing\n');
setInterval(() => {}, 60_000);

// A host that starts an agent, lets it work, stops, and then has nothing left to do.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';

const spearlet = createSpearlet({ logger: false, ports: 0 });
const agent = { artifactId: 'everyday', command: process.execPath, args: [fileURLToPath(new URL('everyday.js', import.meta.url))] };
const instances = await Promise.all([1, 2, 3].map(() => spearlet.start({ ...agent, timeout: 60_000 })));
for (const instance of instances) await instance.execute({ command: 'echo' }, { timeout: 30_000 }).result;
instances[0].execute({ command: 'wait' });
process.stdout.write('worked\n');
await spearlet.stop();
process.stdout.write('stopped\n');

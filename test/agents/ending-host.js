// A host that ends: `ending-host.js <how> <endWithHost>`. It prints the pids of its agent and of a daemon of that agent first.
import { createSpearlet } from 'spearlet';

const [how, endWithHost] = process.argv.slice(2);
const file = name => new URL(name, import.meta.url).pathname;
const spearlet = createSpearlet({ logger: false, ports: 0, grace: 300, endWithHost: endWithHost !== 'false' });
if (how === 'handles') process.on('SIGTERM', () => process.stdout.write('handled\n'));
// The agent ignores SIGTERM and the end of its stdin.
const agent = await spearlet.start({ artifactId: 'stubborn', command: process.execPath, args: [file('stubborn.js'), 'connects'] });
process.stdout.write(`${agent.pid}\n`);
if (how === 'exit') process.exit(7);
if (how === 'throw')
  setImmediate(() => {
    throw new Error('uncaught');
  });

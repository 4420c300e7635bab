// An agent that is a host itself: `nested-host.js <depth>`. Of depth 0 it starts what outlives it where nobody looks after
// it: a program that ignores the end of its stdin, and one with a daemon; deeper ones start a host again.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { serve } from 'spearlet/agent';

const file = name => fileURLToPath(new URL(name, import.meta.url));
const depth = Number(process.argv[2]);
const spearlet = createSpearlet({ logger: false, ports: 0 });
const start = (...args) => spearlet.start({ artifactId: `depth-${depth}`, command: process.execPath, args });
const pids = [process.pid];
if (depth > 0) {
  const host = await start(file('nested-host.js'), String(depth - 1));
  pids.push(...JSON.parse((await host.execute({ command: 'pids' }).result).output));
} else {
  pids.push((await start(file('stubborn.js'), 'connects')).pid);
  const grown = await start(file('tree.js'), 'double-fork-daemon');
  pids.push(grown.pid, ...JSON.parse((await grown.execute({ command: 'pids' }).result).output));
}
await serve({
  pids: () => JSON.stringify(pids),
  environment: request => JSON.stringify(request.args.map(name => process.env[name] ?? null)),
});

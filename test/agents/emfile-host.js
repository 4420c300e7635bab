// A host that has no file descriptor left when it is to start a program.
import { closeSync, openSync } from 'node:fs';
import { createSpearlet } from 'spearlet';

const spearlet = createSpearlet({ logger: false, ports: 0 });
const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null'));
} catch {
  // That was the last one. Two are enough for a listener, and not for the pipes of a program.
  for (const descriptor of taken.splice(0, 2)) closeSync(descriptor);
}
const code = await spearlet.start({ artifactId: 'x', command: '/bin/sleep', args: ['100'] }).catch(error => error.code);
process.stdout.write(`${code}\n`);
await spearlet.stop();

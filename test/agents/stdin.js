// Uses its stdin itself, in the way that it is asked to.
import { createInterface } from 'node:readline';
import { serve } from 'spearlet/agent';

const uses = {
  'is paused': () => process.stdin.pause(),
  'is paused, resumed and paused': () => process.stdin.pause().resume().pause(),
  'has a reader that does not read': () => process.stdin.on('readable', () => {}),
  'was read by lines until they were closed': () => createInterface({ input: process.stdin }).close(),
  'is iterated': () => {
    (async () => {
      for await (const _ of process.stdin);
    })();
  },
  'is destroyed': () => process.stdin.destroy(),
  'is not held': () => process.stdin.unref(),
};
const [, , when, use] = process.argv;

if (when === 'before') uses[use]();
const served = serve(() => when);
if (when === 'after') uses[use]();
await served;

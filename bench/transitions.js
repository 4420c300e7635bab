// Counts the transitions of all charts while executions run: `npm run -s build && node bench/transitions.js`. It needs an
// inspector, which no other measurement has.
import { createSpearlet } from '../dist/src/index.js';
import { agentFile } from './peers/child.js';

const REQUESTS = 10_000;
let transitions = 0;
const spearlet = createSpearlet({
  logger: false,
  inspect: ({ type }) => {
    if (type === '@xstate.snapshot') transitions += 1;
  },
});
const instance = await spearlet.start({ artifactId: 'bench', command: process.execPath, args: [agentFile('spearlet.js')] });
console.log(`the start: ${transitions} snapshots of actors`);
for (const inFlight of [1, 256]) {
  transitions = 0;
  let left = REQUESTS;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await instance.execute({ command: 'echo', args: ['hello'] }).result;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  console.log(`${inFlight} in flight: ${transitions} snapshots of actors in ${REQUESTS} requests`);
}
await spearlet.stop();

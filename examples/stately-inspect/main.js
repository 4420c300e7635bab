// Shows the charts of a spearlet in the Stately Inspector: an agent works, crashes and is restarted, until Ctrl-C.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { createInspector } from './inspector.js';
import { openRelay } from './relay.js';

const relay = await openRelay(Number(process.argv[2] ?? 0));
const inspector = createInspector(relay.url);
const spearlet = createSpearlet({
  logger: false,
  inspect: inspector.inspect,
  restart: { intensity: 1_000, backoff: { min: 2_000, max: 2_000 } },
});

console.log(`open ${relay.page}`);
console.log('The page shows https://stately.ai/inspect in a frame and passes all messages to it: see README.md.');

const agent = await spearlet.start({
  artifactId: 'watched',
  command: process.execPath,
  args: [fileURLToPath(new URL('agent.js', import.meta.url))],
  restart: 'permanent',
});
console.log(`${agent.id} is ready; Ctrl-C ends`);

const interrupted = once(process, 'SIGINT').then(() => 'interrupted');
for (let round = 1; ; round += 1) {
  // Every third execution crashes the agent and rejects with OUTCOME_UNKNOWN.
  const working = agent.execute({ command: round % 3 === 0 ? 'crash' : 'work' }).result.catch(() => {});
  const pause = new AbortController();
  const waited = working.then(() => sleep(1_000, 'on', { signal: pause.signal })).catch(() => {});
  if ((await Promise.race([interrupted, waited])) !== 'interrupted') continue;
  pause.abort();
  break;
}
await spearlet.stop();
// The inspector sends its last messages in a later turn.
await sleep(50);
inspector.stop();
relay.close();

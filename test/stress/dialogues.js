// Dialogues on the simulated network until so many connections were cut, or for `--minutes N`. Here they run with other seeds than
// in `npm test`. A finding names the seed of its story: `DIALOGUES=1 SEED=… npx vitest run test/connection/dialogues.test.ts` tells
// that story again.
import { spawn } from 'node:child_process';

const WHOLE = { cuts: 1_000_000, minutes: Number.POSITIVE_INFINITY };
/** Stories in one process. */
const STORIES = 500;

function run(seed) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/connection/dialogue-stories.ts'], {
    env: { ...process.env, DIALOGUES: String(STORIES), SEED: String(seed) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', chunk => (output += chunk));
  return new Promise(resolve => child.once('close', code => resolve(code === 0 ? JSON.parse(output) : null)));
}

function add(sum, figures) {
  for (const [name, value] of Object.entries(figures))
    if (typeof value === 'object') add((sum[name] ??= {}), value);
    else sum[name] = (sum[name] ?? 0) + value;
}

export async function dialogues(seed, say, sizes = {}) {
  const { cuts, minutes } = { ...WHOLE, ...sizes };
  const until = performance.now() + minutes * 60_000;
  const firstSeed = (seed % 1_000) * 1_000_000 + 1;
  const sum = { cuts: 0 };
  let passed = true;
  for (let next = firstSeed; passed && sum.cuts < cuts && performance.now() < until; next += STORIES) {
    const round = await run(next);
    passed = round !== null && round.findings.length === 0;
    if (round === null) say(`the process that told the stories from seed ${next} on has failed`);
    else add(sum, round.figures);
    for (const { seed: found, finding, log } of round?.findings ?? []) say(`FOUND, seed ${found}: ${finding}\n${log.join('\n')}`);
    say(`${sum.stories} stories, ${sum.cuts} cuts`);
  }
  return { passed, ...sum, firstSeed };
}

// Dialogues on the simulated network until so many connections were cut, or for `--minutes N`. The test decides; here it runs with
// other seeds. A finding names the seed of its story: `DIALOGUES=1 SEED=… npx vitest run test/connection/dialogues.test.ts` tells
// that story again.
import { spawn } from 'node:child_process';

const WHOLE = { cuts: 1_000_000, minutes: Number.POSITIVE_INFINITY };
/** Stories in one process. */
const STORIES = 200;

function run(seed, say) {
  const vitest = spawn('npx', ['vitest', 'run', 'test/connection/dialogues.test.ts', '--disable-console-intercept'], {
    env: { ...process.env, DIALOGUES: String(STORIES), SEED: String(seed) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  vitest.stdout.on('data', chunk => (output += chunk));
  return new Promise(resolve => {
    vitest.once('close', code => {
      if (code !== 0) say(output);
      resolve({ passed: code === 0, figures: JSON.parse(/^dialogues: (\{.*\})$/m.exec(output)?.[1] ?? '{}') });
    });
  });
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
    const round = await run(next, say);
    passed = round.passed;
    add(sum, round.figures);
    say(`${sum.stories} stories, ${sum.cuts} cuts`);
  }
  return { passed, ...sum, firstSeed };
}

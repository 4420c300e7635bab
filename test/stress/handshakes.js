// Handshakes by the hundred thousand on the simulated network, and races of two agents with one token on real sockets. The tests
// decide; here they run with the sizes of the long proof. A finding names the seed of its story:
// `HANDSHAKES=1 SEED=… npx vitest run test/connection/handshakes.test.ts` tells that story again.
import { spawn } from 'node:child_process';

const WHOLE = { stories: 100_000, races: 1_000 };

function run(file, environment, say) {
  const vitest = spawn('npx', ['vitest', 'run', file, '--disable-console-intercept'], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  vitest.stdout.on('data', chunk => (output += chunk));
  return new Promise(resolve => {
    vitest.once('close', code => {
      const figures = [...output.matchAll(/^(handshakes|races, \w+): (\{.*\})$/gm)].map(([, name, text]) => [name, JSON.parse(text)]);
      if (code !== 0) for (const line of output.split('\n')) say(line);
      resolve({ passed: code === 0, ...Object.fromEntries(figures) });
    });
  });
}

export async function handshakes(seed, say, sizes = {}) {
  const { stories, races } = { ...WHOLE, ...sizes };
  // Small seeds, so that the next stories have others.
  const first = (seed % 1_000) * stories + 1;
  const simulated = await run('test/connection/handshakes.test.ts', { HANDSHAKES: String(stories), SEED: String(first) }, say);
  const raced = await run('test/situations/races.test.ts', { RACES: String(races) }, say);
  return { ...simulated, ...raced, firstSeed: first, passed: simulated.passed && raced.passed };
}

// The workloads W1 to W6. Each takes an opened peer, and resolves with its figure. Every answer is checked in the timed loop.
import { record } from './recorder.js';

const check = ({ status, output, exitCode }, expected) => {
  if (status !== 'completed' || output !== expected || exitCode !== 0)
    throw new Error(`wrong answer: ${status} ${String(output).slice(0, 50)}`);
};

async function echoes(agent, total, inFlight, text) {
  let left = total;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      check(await agent.echo(text), text);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

const median = numbers => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

/** Runs `act` against one agent, with `warmUp` requests and then with `requests` that are measured. `scale` shortens only those. */
const withAgent =
  (warmUp, requests, act) =>
  async (opened, { scale, folder }) => {
    const agent = await opened.start();
    const total = Math.ceil(requests * scale);
    await act(agent, warmUp);
    const result = await record({ agent, requests: total, folder }, () => act(agent, total));
    await agent.close();
    return result;
  };

const oneInFlight = withAgent(2_000, 20_000, async (agent, total) => {
  const times = [];
  for (let n = 0; n < total; n += 1) {
    const began = performance.now();
    check(await agent.echo('hello'), 'hello');
    times.push(performance.now() - began);
  }
  return 1_000 * median(times);
});

const manyInFlight = withAgent(20_000, 200_000, async (agent, total) => {
  const began = performance.now();
  await echoes(agent, total, 256, 'hello');
  return (1_000 * total) / (performance.now() - began);
});

/** Chunks of one execution. */
const CHUNKS = 10_000;
const CHUNK_BYTES = 1_024;

const streamed = withAgent(CHUNKS, 5 * CHUNKS, async (agent, total) => {
  const began = performance.now();
  for (let left = total; left > 0; left -= CHUNKS) {
    const count = Math.min(CHUNKS, left);
    let chunks = 0;
    const { output } = await agent.stream(count, CHUNK_BYTES, chunk => {
      if (chunk.length !== CHUNK_BYTES || chunk[0] !== 'x') throw new Error('wrong chunk');
      chunks += 1;
    });
    if (chunks !== count || output !== String(count)) throw new Error(`${chunks} chunks of ${count}`);
  }
  return (total * CHUNK_BYTES) / 1_000 / (performance.now() - began);
});

const largeEchoes = withAgent(20, 200, async (agent, total) => {
  const text = 'x'.repeat(2 ** 20);
  const began = performance.now();
  await echoes(agent, total, 4, text);
  return (total * text.length) / 1_000 / (performance.now() - began);
});

/** Two at a time; the two are closed before the next two start, so that no end is measured. */
async function starts(opened, { scale }) {
  const times = [];
  const start = async () => {
    const began = performance.now();
    const agent = await opened.start();
    times.push(performance.now() - began);
    check(await agent.echo('hello'), 'hello');
    return agent;
  };
  for (let left = 50 * scale; left > 0; left -= 2) {
    const agents = await Promise.all([start(), start()]);
    for (const agent of agents) await agent.close();
  }
  return { value: median(times) };
}

/** The least of what the process keeps. V8 gives memory back over several collections. */
async function settledMemory() {
  for (let n = 0; n < 5; n += 1) {
    globalThis.gc();
    await new Promise(resolve => setImmediate(resolve));
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { rss, heapUsed };
}

/** Connections that one process of agents holds. */
const CONNECTIONS = 1_000;

const idleConnections = total => async opened => {
  const agents = Array.from({ length: total / CONNECTIONS }, () => opened.idle());
  const before = await settledMemory();
  for (const each of agents) await each.connect(CONNECTIONS);
  const after = await settledMemory();
  const perConnection = key => (after[key] - before[key]) / 1_024 / total;
  return { value: perConnection('rss'), heap: perConnection('heapUsed') };
};

/**
 * `cores`: to how many both processes are pinned. `idle`: only for peers that hold idle connections. `isSlow`: takes minutes, so it is
 * measured in the first round only, and left out of `--quick`.
 */
export const workloads = [
  { name: 'W1/2', title: 'W1 µs, two cores', cores: 2, run: oneInFlight },
  { name: 'W1/1', title: 'W1 µs, one core', cores: 1, run: oneInFlight },
  { name: 'W2', title: 'W2 req/s', run: manyInFlight },
  { name: 'W3', title: 'W3 MB/s', run: streamed },
  { name: 'W4', title: 'W4 MB/s', run: largeEchoes },
  { name: 'W5', title: 'W5 ms', run: starts },
  { name: 'W6/1000', title: 'W6 KiB, 1,000', idle: true, run: idleConnections(1_000) },
  {
    name: 'W6/5000',
    title: 'W6 KiB, 5,000',

    idle: true,
    isSlow: true,
    run: idleConnections(5_000),
  },
];

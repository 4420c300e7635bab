// The workloads W1 to W4. Each takes an open peer and returns one figure; every answer is checked.
const check = ({ status, output, exitCode }, expected) => {
  if (status !== 'completed' || output !== expected || exitCode !== 0)
    throw new Error(`wrong answer: ${status} ${String(output).slice(0, 50)}`);
};

async function echoes(peer, total, inFlight, text) {
  let left = total;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      check(await peer.echo(text), text);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

/** One echo in flight; the median in µs. */
export const w1 = {
  name: 'W1',
  unit: 'µs',
  isTime: true,
  async run(peer, { scale }) {
    await echoes(peer, 2_000 * scale, 1, 'hello');
    const times = [];
    for (let n = 0; n < 20_000 * scale; n += 1) {
      const began = performance.now();
      check(await peer.echo('hello'), 'hello');
      times.push(performance.now() - began);
    }
    return 1_000 * times.sort((a, b) => a - b)[times.length >> 1];
  },
};

/** 256 echoes in flight; requests a second. */
export const w2 = {
  name: 'W2',
  unit: 'req/s',
  async run(peer, { scale }) {
    const total = 200_000 * scale;
    await echoes(peer, total / 10, 256, 'hello');
    const agentBefore = await peer.agentCpu();
    const before = process.cpuUsage();
    const began = performance.now();
    await echoes(peer, total, 256, 'hello');
    const ms = performance.now() - began;
    const { user, system } = process.cpuUsage(before);
    const agent = (await peer.agentCpu()) - agentBefore;
    return { value: (1_000 * total) / ms, hostCpu: (user + system) / total, agentCpu: agent / total };
  },
};

/** One execution answered by chunks of 1 KiB; MB/s. */
export const w3 = {
  name: 'W3',
  unit: 'MB/s',
  async run(peer, { scale }) {
    const count = 10_000 * scale;
    const one = async () => {
      let chunks = 0;
      const { output } = await peer.stream(count, 1_024, chunk => {
        if (chunk.length !== 1_024 || chunk[0] !== 'x') throw new Error('wrong chunk');
        chunks += 1;
      });
      if (chunks !== count || output !== String(count)) throw new Error(`${chunks} chunks`);
    };
    await one();
    const began = performance.now();
    for (let n = 0; n < 5; n += 1) await one();
    return (5 * count * 1_024) / 1_000 / (performance.now() - began);
  },
};

/** 1 MiB echoed, 4 in flight; MB/s of what was sent. */
export const w4 = {
  name: 'W4',
  unit: 'MB/s',
  async run(peer, { scale }) {
    const text = 'x'.repeat(2 ** 20);
    const total = Math.max(20, 200 * scale);
    await echoes(peer, total / 4, 4, text);
    const began = performance.now();
    await echoes(peer, total, 4, text);
    return (total * 2 ** 20) / 1_000 / (performance.now() - began);
  },
};

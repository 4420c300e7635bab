// The codec alone: workloads W3 and W4 over a framed channel with wire v2, without charts and request table, against limit-tcp.
// Interleaved; only the ratio of the medians means anything. `node bench/codec.js [rounds]`
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createFramedChannel } from '../dist/src/connection/framed-channel.js';
import { textOf } from '../dist/src/protocol/text.js';
import { createV2Host } from '../dist/src/protocol/v2/codec.js';
import { tcp } from '../dist/src/transport/tcp.js';
import { limitTcp } from './peers/limit.js';
import { w3, w4 } from './workloads.js';

const MAX_FRAME_BYTES = 32 * 2 ** 20;
const realClock = { now: () => performance.now(), wall: () => Date.now() };
const agent = fileURLToPath(new URL('agents/codec.js', import.meta.url));

const codecAlone = {
  name: 'codec-v2',
  async open() {
    const codec = createV2Host({});
    let accepted;
    const connected = new Promise(resolve => {
      accepted = resolve;
    });
    const listener = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, accepted);
    const child = spawn(process.execPath, [agent, String(listener.address.port)], { stdio: 'inherit' });
    const channel = createFramedChannel(await connected, realClock, codec, MAX_FRAME_BYTES);
    const waiting = new Map();
    channel.open(
      {
        executeResponse(requestId, { status, output, exitCode }) {
          const { resolve, chunk } = waiting.get(requestId);
          const text = textOf(output, 0, output.length);
          if (status === 'Running') return chunk(text);
          waiting.delete(requestId);
          resolve({ status: status.toLowerCase(), output: text, exitCode });
        },
      },
      { ended() {} },
    );
    let nextId = 1;
    const call = (command, args, chunk) =>
      new Promise(resolve => {
        const requestId = nextId++;
        waiting.set(requestId, { resolve, chunk });
        channel.send(codec.executeRequest(requestId, { taskId: '', command, args, env: new Map() }));
      });
    return {
      echo: text => call('echo', [text]),
      stream: (count, size, chunk) => call('stream', [String(count), String(size)], chunk),
      async close() {
        channel.close();
        await listener.close();
        if (child.exitCode === null) await once(child, 'exit');
      },
    };
  },
};

const median = numbers => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

async function main(rounds) {
  const peers = [limitTcp, codecAlone];
  for (const workload of [w3, w4]) {
    const figures = new Map(peers.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round += 1)
      for (const peer of peers) {
        const open = await peer.open();
        figures.get(peer.name).push(await workload.run(open, { scale: 1 }));
        await open.close();
      }
    const [limit, codec] = peers.map(({ name }) => median(figures.get(name)));
    console.log(
      `${workload.name}: limit-tcp ${limit.toFixed(0)}, codec-v2 ${codec.toFixed(0)} ${workload.unit}, ratio ${(codec / limit).toFixed(2)}`,
    );
  }
}

await main(Number(process.argv[2] ?? 5));

// The agent of codec-v2: wire v2 over a framed channel, without a handshake, sessions or tasks.
import { createFramedChannel } from '../../dist/src/connection/framed-channel.js';
import { textOf } from '../../dist/src/protocol/text.js';
import { createV2Agent } from '../../dist/src/protocol/v2/codec.js';
import { tcp } from '../../dist/src/transport/tcp.js';

const MAX_FRAME_BYTES = 32 * 2 ** 20;
const realClock = { now: () => performance.now(), wall: () => Date.now() };
const codec = createV2Agent({}, 'bench');
const stream = tcp.connect({ kind: 'tcp', host: '127.0.0.1', port: Number(process.argv[2]) }, () => {});
const channel = createFramedChannel(stream, realClock, codec, MAX_FRAME_BYTES);
let resume = null;

const done = (requestId, output) =>
  channel.queue.add(codec.executeResponse(requestId, { taskId: null, status: 'Completed', output, error: null, exitCode: 0 }));

async function sendChunks(requestId, count, size) {
  const output = 'x'.repeat(size);
  for (let n = 0; n < count; n += 1) {
    channel.queue.add(codec.executeResponse(requestId, { taskId: null, status: 'Running', output, error: null, exitCode: null }));
    if (n % 64 !== 63) continue;
    if (channel.queue.pending > 262_144)
      await new Promise(resolve => {
        resume = resolve;
      });
    else await Promise.resolve();
  }
  done(requestId, String(count));
}

channel.open(
  {
    executeRequest(requestId, { command, args, input }) {
      if (command === 'stream') sendChunks(requestId, Number(args[0]), Number(args[1]));
      else if (command === 'cpu') done(requestId, JSON.stringify(process.cpuUsage()));
      else done(requestId, input === undefined ? args.join(' ') : textOf(input, 0, input.length));
    },
  },
  {
    ended: () => process.exit(0),
    drained() {
      resume?.();
      resume = null;
    },
  },
);

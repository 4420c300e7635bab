// The codec alone: a framed channel with wire v2, without charts, sessions, handshake and request table.
import { createFramedChannel } from '../../dist/src/connection/framed-channel.js';
import { textOf } from '../../dist/src/protocol/text.js';
import { createV2Host } from '../../dist/src/protocol/v2/codec.js';
import { tcp } from '../../dist/src/transport/tcp.js';
import { callsOf, createCalls } from './calls.js';
import { exited, spawnAgent } from './child.js';

const MAX_FRAME_BYTES = 32 * 2 ** 20;
const realClock = { now: () => performance.now(), wall: () => Date.now() };

export const codecV2 = {
  name: 'codec-v2',
  async open() {
    return {
      async start() {
        const codec = createV2Host({});
        let accepted;
        const connected = new Promise(resolve => {
          accepted = resolve;
        });
        const listener = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, accepted);
        const child = spawnAgent('codec.js', listener.address.port);
        const channel = createFramedChannel(await connected, realClock, codec, MAX_FRAME_BYTES);
        const { call, chunk, answer } = createCalls((id, command, args) =>
          channel.queue.add(codec.executeRequest(id, { taskId: '', command, args, env: new Map() })),
        );
        channel.open(
          {
            executeResponse(id, { status, output, exitCode }) {
              const text = textOf(output, 0, output.length);
              if (status === 'Running') chunk(id, text);
              else answer(id, { status: status.toLowerCase(), output: text, exitCode });
            },
          },
          { ended() {} },
        );
        return {
          ...callsOf(call),
          pid: child.pid,
          async close() {
            channel.close();
            await listener.close();
            await exited(child);
          },
        };
      },
      close() {},
    };
  },
};

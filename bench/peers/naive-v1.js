// Wire v1 as one would write it first: JSON.parse, JSON.stringify and arrays of numbers, two layers of each. One write a turn, so
// the codec is the only difference to limit-json-tcp.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createReader } from '../framing.js';
import { createNaiveWriter, readNaive } from '../naive-v1.js';
import { callsOf, createCalls, createHellos } from './calls.js';
import { exited, spawnAgent } from './child.js';

export const naiveV1 = {
  name: 'naive-v1',
  async open() {
    const token = randomBytes(32).toString('hex');
    const hellos = createHellos();
    const server = createServer(socket => {
      socket.setNoDelay(true);
      const send = createNaiveWriter(socket);
      const { call, chunk, answer } = createCalls((id, command, args) =>
        send('ExecuteRequest', id, { task_id: `bench/${id}`, command, args, env: {} }),
      );
      const receive = {
        AuthRequest(id, payload) {
          if (payload.token !== token) throw new Error('wrong token');
          send('AuthResponse', id, { success: true, error_message: null, session_id: 'bench' });
          hellos.arrived(Number(payload.instance_id), { ...callsOf(call), socket });
        },
        ExecuteResponse(id, { status, output, exit_code }) {
          if (status === 'Running') chunk(id, output);
          else answer(id, { status: status.toLowerCase(), output, exitCode: exit_code });
        },
      };
      socket.on(
        'data',
        createReader(8, frame => {
          const { type, id, payload } = readNaive(frame);
          receive[type](id, payload);
        }),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');

    return {
      async start() {
        const { number, hello } = hellos.expect();
        const child = spawnAgent('naive-v1.js', server.address().port, number, token);
        const agent = await hello;
        return {
          ...agent,
          pid: child.pid,
          async close() {
            agent.socket.destroy();
            await exited(child);
          },
        };
      },
      close: () => server.close(),
    };
  },
};

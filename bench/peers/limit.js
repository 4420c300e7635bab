// limit-tcp and limit-json-tcp: raw node:net, length-prefixed frames, one write a turn; bodies binary or JSON. No spearlet.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { CHUNK, CPU, createLimitReader, createLimitWriter, ECHO, HELLO, STREAM, textOf } from '../framing.js';
import { callsOf, createCalls, createHellos } from './calls.js';
import { exited, forkAgent, spawnAgent } from './child.js';

const kinds = { echo: ECHO, stream: STREAM, cpu: CPU };
const json = value => Buffer.from(JSON.stringify(value));

const limit = (name, mode) => ({
  name,
  async open() {
    const isJson = mode === 'json';
    const token = randomBytes(32).toString('hex');
    const hellos = createHellos();
    const sockets = new Set();

    const server = createServer(socket => {
      socket.setNoDelay(true);
      sockets.add(socket);
      const send = createLimitWriter(socket);
      const { call, chunk, answer } = createCalls((id, kind, args) =>
        send(id, kinds[kind], isJson ? json({ command: kind, args }) : Buffer.from(args.join(' '))),
      );
      socket.on(
        'data',
        createLimitReader((id, kind, body) => {
          if (kind === HELLO) {
            if (body.toString() !== token) throw new Error('wrong token');
            hellos.arrived(id, { ...callsOf(call), socket });
          } else if (kind === CHUNK) chunk(id, isJson ? JSON.parse(body.toString()).output : textOf(body));
          else answer(id, isJson ? JSON.parse(body.toString()) : { status: 'completed', output: textOf(body), exitCode: 0 });
        }),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();

    return {
      async start() {
        const { number, hello } = hellos.expect();
        const child = spawnAgent('limit.js', port, mode, number, token);
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
      /** A process that opens connections, which say hello and then nothing. */
      idle() {
        const child = forkAgent('idle-limit.js');
        return {
          async connect(count) {
            const expected = Array.from({ length: count }, () => hellos.expect());
            child.send({ port, token, numbers: expected.map(({ number }) => number) });
            await Promise.all(expected.map(({ hello }) => hello));
          },
        };
      },
      close() {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    };
  },
});

export const limitTcp = limit('limit-tcp', 'binary');
export const limitJson = limit('limit-json-tcp', 'json');

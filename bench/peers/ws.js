// ws with JSON messages: one write for each turn (corked), and one for each message, as most programs use it (idiomatic).
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { WebSocketServer } from 'ws';
import { callsOf, createCalls, createHellos } from './calls.js';
import { exited, spawnAgent } from './child.js';
import { corked } from './corked.js';

const ws = (name, mode) => ({
  name,
  async open() {
    const token = randomBytes(32).toString('hex');
    const hellos = createHellos();
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    await once(server, 'listening');
    server.on('connection', socket => {
      const send = mode === 'corked' ? corked(socket) : text => socket.send(text);
      const { call, chunk, answer } = createCalls((id, kind, args) => send(JSON.stringify({ id, kind, args })));
      socket.on('message', data => {
        const message = JSON.parse(data);
        if (message.hello !== undefined) {
          if (message.token !== token) throw new Error('wrong token');
          hellos.arrived(message.hello, { ...callsOf(call), socket });
        } else if (message.chunk === undefined) answer(message.id, message);
        else chunk(message.id, message.chunk);
      });
    });
    return {
      async start() {
        const { number, hello } = hellos.expect();
        const child = spawnAgent('ws.js', server.address().port, mode, number, token);
        const agent = await hello;
        return {
          ...agent,
          pid: child.pid,
          async close() {
            agent.socket.terminate();
            await exited(child);
          },
        };
      },
      close: () => server.close(),
    };
  },
});

export const wsCorked = ws('ws-corked', 'corked');
export const wsIdiomatic = ws('ws-idiomatic', 'idiomatic');

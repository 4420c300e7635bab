// child_process.fork and ws: what people use today, with JSON messages.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { corked } from '../corked.js';

const file = name => fileURLToPath(new URL(`../agents/${name}`, import.meta.url));

/** `send` sends a message; `receive` is called with each that arrives. */
function calls(send) {
  const waiting = new Map();
  let nextId = 1;
  const call = (kind, args, chunk) =>
    new Promise(resolve => {
      const id = nextId++;
      waiting.set(id, { resolve, chunk });
      send({ id, kind, args });
    });
  return {
    receive(message) {
      const { resolve, chunk } = waiting.get(message.id);
      if (message.chunk !== undefined) return chunk(message.chunk);
      waiting.delete(message.id);
      resolve(message);
    },
    peer: {
      echo: text => call('echo', [text]),
      stream: (count, size, chunk) => call('stream', [count, size], chunk),
      async agentCpu() {
        const { user, system } = JSON.parse((await call('cpu', [])).output);
        return user + system;
      },
    },
  };
}

export const forkJson = {
  name: 'fork-json',
  async open() {
    const child = fork(file('fork.js'), { serialization: 'json' });
    const { receive, peer } = calls(message => child.send(message));
    child.on('message', receive);
    return {
      ...peer,
      async close() {
        child.disconnect();
        await once(child, 'exit');
      },
    };
  },
};

export const wsCorked = {
  name: 'ws, corked',
  async open() {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    await once(server, 'listening');
    const child = spawn(process.execPath, [file('ws.js'), String(server.address().port)], { stdio: 'inherit' });
    const [socket] = await once(server, 'connection');
    const send = corked(socket);
    const { receive, peer } = calls(message => send(JSON.stringify(message)));
    socket.on('message', data => receive(JSON.parse(data)));
    return {
      ...peer,
      async close() {
        socket.terminate();
        server.close();
        await once(child, 'exit');
      },
    };
  },
};

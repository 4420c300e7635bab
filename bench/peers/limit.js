// limit-tcp and limit-json-tcp: raw node:net, length-prefixed frames, one write a turn; bodies binary or JSON. No spearlet.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { CHUNK, CPU, createReader, createWriter, ECHO, STREAM, textOf } from '../framing.js';

const agent = fileURLToPath(new URL('../agents/limit.js', import.meta.url));

const limit = (name, mode) => ({
  name,
  async open() {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const child = spawn(process.execPath, [agent, String(server.address().port), mode], { stdio: 'inherit' });
    const [socket] = await once(server, 'connection');
    socket.setNoDelay(true);
    const isJson = mode === 'json';
    const send = createWriter(socket);
    const waiting = new Map();
    let nextId = 1;
    socket.on(
      'data',
      createReader((id, kind, body) => {
        const { resolve, chunk } = waiting.get(id);
        if (kind === CHUNK) return chunk(isJson ? JSON.parse(body.toString()).output : textOf(body));
        waiting.delete(id);
        resolve(isJson ? JSON.parse(body.toString()) : { status: 'completed', output: textOf(body), exitCode: 0 });
      }),
    );
    const call = (kind, args, chunk) =>
      new Promise(resolve => {
        const id = nextId++;
        waiting.set(id, { resolve, chunk });
        send(id, kind, isJson ? Buffer.from(JSON.stringify({ command: 'c', args })) : Buffer.from(args.join(' ')));
      });
    return {
      echo: text => call(ECHO, [text]),
      stream: (count, size, chunk) => call(STREAM, [`${count} ${size}`], chunk),
      async agentCpu() {
        const { output, user, system } = await call(CPU, []);
        const usage = output === undefined ? { user, system } : JSON.parse(output);
        return usage.user + usage.system;
      },
      async close() {
        socket.destroy();
        server.close();
        await once(child, 'exit');
      },
    };
  },
});

export const limitTcp = limit('limit-tcp', 'binary');
export const limitJson = limit('limit-json-tcp', 'json');

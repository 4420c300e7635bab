// The agent of limit-tcp and limit-json-tcp: argv[2] is the port, argv[3] `binary` or `json`.
import { connect } from 'node:net';
import { CHUNK, CPU, createReader, createWriter, DONE, ECHO, STREAM, textOf } from '../framing.js';

const socket = connect(Number(process.argv[2]), '127.0.0.1');
const isJson = process.argv[3] === 'json';
socket.setNoDelay(true);
const send = createWriter(socket);
const json = value => Buffer.from(JSON.stringify(value));

async function stream(id, count, size) {
  const text = 'x'.repeat(size);
  for (let n = 0; n < count; n += 1) {
    send(id, CHUNK, isJson ? json({ output: text }) : Buffer.from(text));
    if (n % 64 === 63 && socket.writableLength > 262_144) await new Promise(resolve => socket.once('drain', resolve));
    else if (n % 64 === 63) await Promise.resolve();
  }
  send(id, DONE, isJson ? json({ status: 'completed', output: String(count), exitCode: 0 }) : Buffer.from(String(count)));
}

socket.on(
  'data',
  createReader((id, kind, body) => {
    const args = kind === CPU ? [] : isJson ? JSON.parse(body.toString()).args : [textOf(body)];
    if (kind === ECHO)
      send(id, DONE, isJson ? json({ status: 'completed', output: args.join(' '), exitCode: 0 }) : Buffer.from(args.join(' ')));
    else if (kind === STREAM) {
      const [count, size] = args.join(' ').split(' ').map(Number);
      void stream(id, count, size);
    } else if (kind === CPU) send(id, DONE, json(process.cpuUsage()));
  }),
);
socket.on('close', () => process.exit(0));

// The agent of limit-tcp and limit-json-tcp. Its arguments: port, `binary` or `json`, its number, its token.
import { connect } from 'node:net';
import { CHUNK, CPU, createLimitReader, createLimitWriter, DONE, ECHO, HELLO, STREAM, textOf } from '../framing.js';

const [port, mode, number, token] = process.argv.slice(2);
const isJson = mode === 'json';
const json = value => Buffer.from(JSON.stringify(value));
const socket = connect(Number(port), '127.0.0.1', () => send(Number(number), HELLO, Buffer.from(token)));
socket.setNoDelay(true);
const send = createLimitWriter(socket);
const done = (id, output) => send(id, DONE, isJson ? json({ status: 'completed', output, exitCode: 0 }) : Buffer.from(output));

async function stream(id, count, size) {
  const text = 'x'.repeat(size);
  for (let n = 0; n < count; n += 1) {
    send(id, CHUNK, isJson ? json({ output: text }) : Buffer.from(text));
    if (n % 64 === 63 && socket.writableLength > 262_144) await new Promise(resolve => socket.once('drain', resolve));
    else if (n % 64 === 63) await Promise.resolve();
  }
  done(id, String(count));
}

socket.on(
  'data',
  createLimitReader((id, kind, body) => {
    const args = isJson ? JSON.parse(body.toString()).args : [textOf(body)];
    if (kind === ECHO) done(id, args.join(' '));
    else if (kind === STREAM) void stream(id, ...args.join(' ').split(' ').map(Number));
    else if (kind === CPU) done(id, JSON.stringify(process.cpuUsage()));
  }),
);
socket.on('close', () => process.exit(0));

// The agent of the naive wire v1. Its arguments: port, its number, its token.
import { connect } from 'node:net';
import { createReader } from '../framing.js';
import { createNaiveWriter, readNaive } from '../naive-v1.js';

const [port, number, token] = process.argv.slice(2);
const socket = connect(Number(port), '127.0.0.1', () => send('AuthRequest', 1, { instance_id: number, token, client_version: 'naive' }));
socket.setNoDelay(true);
const send = createNaiveWriter(socket);
const respond = (id, task_id, status, output, exit_code) =>
  send('ExecuteResponse', id, { task_id, status, output, error: null, exit_code });

async function stream(id, taskId, count, size) {
  const text = 'x'.repeat(size);
  for (let n = 0; n < count; n += 1) {
    respond(id, taskId, 'Running', text, null);
    if (n % 64 === 63 && socket.writableLength > 262_144) await new Promise(resolve => socket.once('drain', resolve));
    else if (n % 64 === 63) await Promise.resolve();
  }
  respond(id, taskId, 'Completed', String(count), 0);
}

socket.on(
  'data',
  createReader(8, frame => {
    const { type, id, payload } = readNaive(frame);
    if (type !== 'ExecuteRequest') return;
    const { task_id: taskId, command, args } = payload;
    if (command === 'echo') respond(id, taskId, 'Completed', args.join(' '), 0);
    else if (command === 'stream') void stream(id, taskId, ...args.map(Number));
    else respond(id, taskId, 'Completed', JSON.stringify(process.cpuUsage()), 0);
  }),
);
socket.on('close', () => process.exit(0));

// The agent of ws: JSON messages. Its arguments: port, `corked` or `idiomatic`, its number, its token.
import { WebSocket } from 'ws';
import { corked } from '../peers/corked.js';

const [port, mode, number, token] = process.argv.slice(2);
const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
socket.on('open', () => {
  const send = mode === 'corked' ? corked(socket) : text => socket.send(text);
  const answer = (id, output) => send(JSON.stringify({ id, status: 'completed', output, exitCode: 0 }));
  socket.on('message', async data => {
    const { id, kind, args } = JSON.parse(data);
    if (kind === 'echo') return answer(id, args.join(' '));
    if (kind === 'cpu') return answer(id, JSON.stringify(process.cpuUsage()));
    const [count, size] = args.map(Number);
    const chunk = JSON.stringify({ id, chunk: 'x'.repeat(size) });
    for (let n = 0; n < count; n += 1) {
      send(chunk);
      if (n % 64 === 63) await new Promise(resolve => setImmediate(resolve));
    }
    answer(id, String(count));
  });
  send(JSON.stringify({ hello: Number(number), token }));
});
socket.on('close', () => process.exit(0));

// W2: 256 executions in flight, 200,000 echoes, every answer checked; through the public API, and the same over raw
// sockets with JSON in the same run. Only the ratio means anything. `npm run bench`
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';

const IN_FLIGHT = 256;
const TOTAL = Number(process.argv[2] ?? 200_000);
const here = name => fileURLToPath(new URL(name, import.meta.url));

async function measure(request) {
  const run = async total => {
    let left = total;
    const worker = async () => {
      while (left > 0) {
        left -= 1;
        const { status, output, exitCode } = await request();
        if (status.toLowerCase() !== 'completed' || output !== 'hello' || exitCode !== 0) throw new Error('wrong answer');
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  };
  await run(TOTAL / 10);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await run(TOTAL);
  const rate = TOTAL / ((performance.now() - began) / 1000);
  const { user, system } = process.cpuUsage(cpu);
  return { rate, cpu: (user + system) / TOTAL };
}

async function spearletRun() {
  const spearlet = createSpearlet({ logger: false });
  const instance = await spearlet.start({ artifactId: 'echo', command: process.execPath, args: [here('echo.js')] });
  const rate = await measure(() => instance.execute({ command: 'echo', args: ['hello'] }).result);
  await spearlet.stop();
  return rate;
}

async function baselineRun() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const child = spawn(process.execPath, [here('baseline.js'), String(server.address().port)], { stdio: 'inherit' });
  const [socket] = await once(server, 'connection');
  socket.setNoDelay(true);
  const waiting = new Map();
  let next = 0;
  let rest = Buffer.alloc(0);
  let out = [];
  socket.on('data', chunk => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 4) {
      const length = rest.readUInt32LE(at);
      if (rest.length - at - 4 < length) break;
      const answer = JSON.parse(rest.toString('utf8', at + 4, at + 4 + length));
      at += 4 + length;
      waiting.get(answer.id)(answer);
      waiting.delete(answer.id);
    }
    rest = rest.subarray(at);
  });
  const rate = await measure(() => {
    const id = next++;
    const body = Buffer.from(JSON.stringify({ id, command: 'echo', args: ['hello'], taskId: String(id) }));
    const header = Buffer.alloc(4);
    header.writeUInt32LE(body.length);
    if (out.push(header, body) === 2) {
      process.nextTick(() => {
        socket.write(Buffer.concat(out));
        out = [];
      });
    }
    return new Promise(resolve => waiting.set(id, resolve));
  });
  socket.destroy();
  server.close();
  await once(child, 'exit');
  return rate;
}

const rows = [];
for (let round = 1; round <= 3; round += 1) {
  const spearlet = await spearletRun();
  const baseline = await baselineRun();
  rows.push({
    round,
    'spearlet req/s': Math.round(spearlet.rate),
    'raw JSON req/s': Math.round(baseline.rate),
    ratio: Number((spearlet.rate / baseline.rate).toFixed(2)),
    'host CPU µs a request': Number(spearlet.cpu.toFixed(2)),
    'raw JSON, the same': Number(baseline.cpu.toFixed(2)),
  });
}
console.table(rows);

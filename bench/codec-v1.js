// Wire v1 without a connection: CPU time of encoding and of decoding one message, against a naive codec (JSON.parse, JSON.stringify,
// Array.from). Interleaved; only the ratios mean anything. `node bench/codec-v1.js [rounds]`, after `npm run build`.
import { parseArgs } from 'node:util';
import { createV1 } from '../dist/src/protocol/v1/codec.js';

const { positionals } = parseArgs({ allowPositionals: true });
const rounds = Number(positionals[0] ?? 7);
const clock = { now: () => performance.now(), wall: () => Date.now() };
/** What a socket gives at once. */
const CHUNK = 64 * 1024;
const HEADER = 8;
const requestId = 123_456_789;
const taskId = '0b6b3a5e-1f0c-4c0e-9c1d-5a1d2c3b4a59';

function naiveFrame(message_type, payload) {
  const wall = Date.now();
  const timestamp = { secs_since_epoch: Math.floor(wall / 1000), nanos_since_epoch: (wall % 1000) * 1e6 };
  const bytes = Array.from(Buffer.from(JSON.stringify(payload)));
  const body = Buffer.from(JSON.stringify({ message_type, request_id: requestId, timestamp, payload: bytes }));
  const header = Buffer.alloc(HEADER);
  header.writeBigUInt64LE(BigInt(body.length));
  return Buffer.concat([header, body]);
}

const naive = {
  request: ({ args, command }) => naiveFrame('ExecuteRequest', { task_id: taskId, command, args, env: {} }),
  response: ({ status, output, error, exitCode }) =>
    naiveFrame('ExecuteResponse', { task_id: taskId, status, output, error, exit_code: exitCode }),
  createDecoder(deliver) {
    let kept = Buffer.alloc(0);
    return chunk => {
      kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
      let at = 0;
      while (kept.length - at >= HEADER) {
        const end = at + HEADER + Number(kept.readBigUInt64LE(at));
        if (end > kept.length) break;
        const { payload } = JSON.parse(kept.toString('utf8', at + HEADER, end));
        deliver(JSON.parse(Buffer.from(payload).toString()));
        at = end;
      }
      kept = kept.subarray(at);
    };
  },
};

const v1 = createV1(clock);
const fast = {
  request: request => v1.host.executeRequest(requestId, request),
  response: response => v1.agent.executeResponse(requestId, response),
  createDecoder(deliver, isRequest) {
    const codec = isRequest ? v1.agent : v1.host;
    const take = (_, message) => deliver(message);
    const decoder = codec.createDecoder(32 * 2 ** 20, { executeRequest: take, executeResponse: take }, () => {});
    return chunk => decoder.push(chunk);
  },
};

const request = text => ({ taskId, command: 'echo', args: [text], env: new Map() });
const response = (status, output) => ({ taskId, status, output, error: null, exitCode: status === 'Running' ? null : 0 });
const MIB = 2 ** 20;
const prose = 'The quick brown fox jumps over the lazy dog, 42 times. ';
const cases = [
  { name: 'echo request', message: request('hello'), count: 20_000 },
  { name: 'echo response', message: response('Completed', 'hello'), count: 20_000 },
  { name: '1 KiB Running', message: response('Running', 'x'.repeat(1024)), count: 4_000 },
  { name: '1 KiB Running, prose', message: response('Running', prose.repeat(19).slice(0, 1024)), count: 4_000 },
  { name: '1 KiB Running, lines of é', message: response('Running', 'é été\n'.repeat(114)), count: 4_000 },
  { name: '1 MiB request', message: request('x'.repeat(MIB)), count: 8 },
  { name: '1 MiB response', message: response('Completed', 'x'.repeat(MIB)), count: 8 },
];

/** CPU time of this thread, µs: other programs on the machine do not count. */
function cost(run) {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** The stream as a socket gives it. A decoder may overwrite what it gets, so each run has a copy of its own. */
function chunksOf(frame, count) {
  const stream = Buffer.concat(Array.from({ length: count }, () => frame));
  const chunks = [];
  for (let at = 0; at < stream.length; at += CHUNK) chunks.push(Buffer.from(stream.subarray(at, at + CHUNK)));
  return chunks;
}

const median = numbers => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const rows = cases.map(({ name, message, count }) => {
  const isRequest = message.args !== undefined;
  const encode = codec => (isRequest ? codec.request(message) : codec.response(message));
  const expected = isRequest ? message.args[0] : message.output;
  const times = { encode: [[], []], decode: [[], []] };
  for (let round = 0; round < rounds; round += 1)
    [naive, fast].forEach((codec, which) => {
      let bytes = 0;
      times.encode[which].push(
        cost(() => {
          for (let n = 0; n < count; n += 1) bytes += encode(codec).length;
        }),
      );
      const frame = encode(codec);
      if (bytes < count * (frame.length - 20)) throw new Error('short frames');
      const chunks = chunksOf(frame, count);
      let right = 0;
      const push = codec.createDecoder(({ args, output }) => {
        if ((args === undefined ? output : args[0]) === expected) right += 1;
      }, isRequest);
      times.decode[which].push(
        cost(() => {
          for (const chunk of chunks) push(chunk);
        }),
      );
      if (right !== count) throw new Error(`${name}: ${right} of ${count} right`);
    });
  const figures = Object.entries(times).flatMap(([what, [slow, quick]]) => {
    const [a, b] = [median(slow) / count, median(quick) / count];
    return [
      [`${what}: naive µs`, Number(a.toFixed(2))],
      [`${what} µs`, Number(b.toFixed(2))],
      [`${what} ×`, Number((a / b).toFixed(1))],
    ];
  });
  return { message: name, ...Object.fromEntries(figures) };
});
console.table(rows);

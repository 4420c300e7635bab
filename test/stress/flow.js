// Flow control on wire v2: 1 GiB streamed to a consumer that pauses, beside echoes on the same connection; and 100,000 executions
// whose output nobody reads.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';

const agent = fileURLToPath(new URL('../agents/ticking.js', import.meta.url));
const MIB = 2 ** 20;
const LINE = 16_384;

const rss = () => {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().rss;
};
const p99 = times => [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)];

async function echoes(instance, count) {
  const times = [];
  for (let n = 0; n < count; n += 1) {
    const began = performance.now();
    const { output } = await instance.execute({ command: 'echo', args: [String(n)] }).result;
    if (output !== String(n)) throw new Error('wrong answer');
    times.push(performance.now() - began);
  }
  return times;
}

/** Reads an execution; after each `every` bytes it pauses until `resume` is called. */
async function consume(execution, every, paused) {
  let bytes = 0;
  let next = every;
  for await (const { status, output } of execution) {
    if (status !== 'running') continue;
    bytes += output.length;
    if (bytes < next) continue;
    next += every;
    await paused(bytes);
  }
  return bytes;
}

export async function flow(_seed, log, sizes = {}) {
  const { megabytes = 1_024, unread = 100_000, samples = 2_000 } = sizes;
  const spearlet = createSpearlet({ logger: false });
  const instance = await spearlet.start({ artifactId: 'flow', command: process.execPath, args: [agent] });
  await echoes(instance, samples);
  const before = p99(await echoes(instance, samples));

  let warm = 0;
  let grown = 0;
  const during = [];
  const total = (megabytes * MIB) / LINE;
  const stream = instance.execute({ command: 'stream', args: [String(total), String(LINE)] });
  const pauses = 20;
  const bytes = await consume(stream, Math.floor((megabytes * MIB) / pauses), async read => {
    // The reader pauses while others use the connection.
    during.push(...(await echoes(instance, Math.ceil(samples / pauses))));
    if (read < Math.min(200, megabytes / 4) * MIB) return;
    if (warm === 0) warm = rss();
    grown = Math.max(grown, rss() - warm);
  });
  const paused = p99(during);
  log(
    `streamed ${bytes / MIB} MiB: grown by ${(grown / MIB).toFixed(1)} MiB, p99 of the others ${before.toFixed(2)} → ${paused.toFixed(2)} ms`,
  );

  let settled = 0;
  let counted = 0;
  let left = unread;
  let heap = 0;
  let heapGrown = 0;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const execution = instance.execute({ command: 'stream', args: ['10', '10000'] });
      const { output } = await execution.result;
      if (output === 'the end') settled += 1;
      if (left % 1_000 === 0) {
        // What nobody has read is told to a late reader, to the byte.
        for await (const { gap, status, output: text } of execution) {
          if (gap !== undefined) counted += gap.to - gap.from;
          else if (status === 'running') counted += text.length;
        }
        counted -= 100_000;
        globalThis.gc?.();
        const { heapUsed } = process.memoryUsage();
        if (left < unread / 2 && heap === 0) heap = heapUsed;
        if (heap > 0) heapGrown = Math.max(heapGrown, heapUsed - heap);
      }
    }
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  await spearlet.stop();
  const figures = {
    streamedMiB: bytes / MIB,
    hostGrownMiB: Number((grown / MIB).toFixed(1)),
    p99Before: Number(before.toFixed(2)),
    p99While: Number(paused.toFixed(2)),
    unread: settled,
    uncountedBytes: counted,
    heapGrownMiB: Number((heapGrown / MIB).toFixed(1)),
  };
  const passed =
    bytes === megabytes * MIB && grown < 16 * MIB && paused < 3 * before && settled === unread && counted === 0 && heapGrown < 8 * MIB;
  return { passed, ...figures };
}

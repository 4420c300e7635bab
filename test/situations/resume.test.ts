// Sessions of wire v2 go on over broken connections: nothing is lost, repeated or executed twice; and a slow reader holds back
// only its own execution.
import { describe, expect, test } from 'vitest';
import type { Execution, ExecutionUpdate } from '../../src/index.ts';
import { atEnd } from '../census/census.ts';
import { type BreakingProxy, createProxy } from '../stress/callers/proxy.js';
import { agentFile, openSpearlet, until } from './world.ts';

async function openProxied(options: Parameters<typeof openSpearlet>[0] = {}) {
  const proxy = await createProxy();
  atEnd(() => proxy.close());
  const spearlet = openSpearlet(options);
  const instance = await spearlet.start({
    artifactId: 'proxied',
    command: process.execPath,
    args: ['--import', agentFile('detour.js'), agentFile('ticking.js')],
    environment: { SCRIBE_PROXY: String(proxy.port) },
  });
  return { proxy, spearlet, instance };
}

/** The numbers of the lines that were read, in order; `cut` is called after each 50 updates. */
async function numbersOf(execution: Execution, cut: () => void): Promise<number[]> {
  const numbers: number[] = [];
  await new Promise<void>(ended => {
    let updates = 0;
    execution.updates$.subscribe({
      next({ output, gap, status }: ExecutionUpdate) {
        if (gap !== undefined) numbers.push(-1);
        if (status === 'running') numbers.push(Number.parseInt(output ?? '', 10));
        updates += 1;
        if (updates % 50 === 0) cut();
      },
      complete: ended,
    });
  });
  return numbers;
}

const ways: readonly [string, (proxy: BreakingProxy, id: string) => void][] = [
  ['reset', (proxy, id) => void proxy.break(id, 'reset', 0)],
  ['closed', (proxy, id) => void proxy.break(id, 'close', 0)],
  ['ended within a frame', (proxy, id) => void proxy.break(id, 'inFrame', 700)],
  ['lost without the host noticing', (proxy, id) => void proxy.break(id, 'agentOnly', 0)],
];

describe('a connection that is cut while output streams', () => {
  test.each(ways)('%s: every line arrives once and in order, and the result after them', async (_name, cut) => {
    const { proxy, spearlet, instance } = await openProxied();
    const execution = instance.execute({ command: 'stream', args: ['400', '900'] });
    const numbers = await numbersOf(execution, () => cut(proxy, instance.id));
    expect(numbers).toEqual(Array.from({ length: 400 }, (_, n) => n));
    expect(await execution.result).toMatchObject({ output: 'the end', truncatedBytes: 0 });
    expect(spearlet.stats().instances[0]!.reconnects).toBeGreaterThan(0);
  });
});

test('a connection that falls silent is given up by both ends, and the agent resumes over a new one', async () => {
  const { proxy, spearlet, instance } = await openProxied({ heartbeat: { interval: 200, misses: 3 } });
  const execution = instance.execute({ command: 'stream', args: ['400', '900'] });
  let cuts = 0;
  const numbers = await numbersOf(execution, () => {
    cuts += 1;
    if (cuts === 3) proxy.break(instance.id, 'stall', 0);
  });
  expect(numbers).toEqual(Array.from({ length: 400 }, (_, n) => n));
  expect(spearlet.stats().instances[0]!.reconnects).toBe(1);
});

test('300 requests over connections that are reset again and again are executed once each', async () => {
  const { proxy, instance } = await openProxied();
  const results: Promise<string | null>[] = [];
  for (let round = 0; round < 15; round += 1) {
    for (let n = 0; n < 20; n += 1) results.push(instance.execute({ command: 'tick' }).result.then(({ output }) => output));
    await results.at(-10);
    proxy.break(instance.id, 'reset', 0);
  }
  const ticks = (await Promise.all(results)).map(Number).sort((a, b) => a - b);
  expect(ticks).toEqual(Array.from({ length: 300 }, (_, n) => n + 1));
});

test('a large request and a large result go on after a cut in their midst', async () => {
  const { proxy, instance } = await openProxied();
  const text = 'x'.repeat(2 ** 20);
  for (const bytes of [1_000, 300_000]) {
    const sent = instance.execute({ command: 'size', input: Buffer.alloc(4 * 2 ** 20) }).result;
    proxy.break(instance.id, 'inFrame', 10);
    expect((await sent).output).toBe(String(4 * 2 ** 20));
    const echo = instance.execute({ command: 'echo', args: [text] }).result;
    proxy.break(instance.id, 'inFrame', bytes);
    expect((await echo).output === text).toBe(true);
  }
});

test('while an instance drains, its agent resumes over a new connection, and no result is lost', async () => {
  const { proxy, spearlet, instance } = await openProxied();
  const execution = instance.execute({ command: 'stream', args: ['400', '900'] });
  let stopping: Promise<unknown> | null = null;
  const numbers = await numbersOf(execution, () => {
    stopping ??= instance.stop({ drain: true, grace: 600_000 });
    proxy.break(instance.id, 'reset', 0);
  });
  expect(numbers).toEqual(Array.from({ length: 400 }, (_, n) => n));
  expect(await execution.result).toMatchObject({ output: 'the end', truncatedBytes: 0 });
  expect(await stopping).toMatchObject({ reason: 'stopped' });
  expect(spearlet.events.filter(({ type }) => type === 'connection.opened').length).toBeGreaterThan(1);
});

describe('a slow reader on wire v2', () => {
  test('holds back only its own execution: the connection is read on, and nothing of its output is lost', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ artifactId: 'ticking', command: process.execPath, args: [agentFile('ticking.js')] });
    const slow = instance.execute({ command: 'stream', args: ['3000', '1000'] });
    let bytes = 0;
    for await (const { output = '', status } of slow) {
      if (bytes === 0 && status === 'running') {
        const others = Array.from({ length: 200 }, (_, n) => instance.execute({ command: 'echo', args: [String(n)] }).result);
        expect((await Promise.all(others)).map(({ output }) => output)).toEqual(Array.from({ length: 200 }, (_, n) => String(n)));
        const { paused, bytesReceived } = spearlet.stats().instances[0]!.connections[0]!;
        // The window, what the reader had taken, and the answers of the others: the rest waits in the agent.
        expect({ paused, isHeld: bytesReceived < 400_000 }).toEqual({ paused: false, isHeld: true });
      }
      if (status === 'running') bytes += output.length;
    }
    expect(bytes).toBe(3_000_000);
  });

  test('without a reader a result comes although nobody reads its output, and what is not kept is a gap', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ artifactId: 'ticking', command: process.execPath, args: [agentFile('ticking.js')] });
    const unread = instance.execute({ command: 'stream', args: ['3000', '1000'] });
    expect((await unread.result).output).toBe('the end');
    let [gap, bytes] = [0, 0];
    for await (const update of unread) {
      if (update.gap !== undefined) gap += update.gap.to - update.gap.from;
      else if (update.status === 'running') bytes += update.output!.length;
    }
    expect(gap + bytes).toBe(3_000_000);
    expect(gap).toBeGreaterThan(0);
  });

  test('a result that waits behind the output of a slow reader is sent when the reader goes on', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ artifactId: 'ticking', command: process.execPath, args: [agentFile('ticking.js')] });
    const slow = instance.execute({ command: 'stream', args: ['130', '1000'] });
    const reader = slow[Symbol.asyncIterator]();
    await reader.next();
    await until(() => (spearlet.stats().instances[0]!.connections[0]?.bytesReceived ?? 0) > 65_536);
    const seen: string[] = [];
    for (let next = await reader.next(); !next.done; next = await reader.next()) seen.push(next.value.status);
    expect([seen.length, seen.at(-1)]).toEqual([131, 'completed']);
  });
});

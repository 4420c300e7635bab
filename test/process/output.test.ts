// Output is read at any speed, its last bytes are kept, and every dropped byte is counted.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Channel, createOutput, type Follower, type OutputChunk } from '../../src/process/output/output.ts';

const root = join(import.meta.dirname, '..', '..');
const noFollowers: ReadonlySet<Follower> = new Set();
const bytes = (text: string): Buffer => Buffer.from(text);
const textOf = (chunks: OutputChunk[], channel: Channel): string =>
  chunks.flatMap(chunk => (chunk.channel === channel ? [chunk.text] : [])).join('');

test('the last bytes of both channels are kept in the order of arrival', () => {
  const output = createOutput(100, noFollowers);
  output.add('stdout', bytes('a'));
  output.add('stdout', bytes('b'));
  output.add('stderr', bytes('c'));
  output.add('stdout', bytes('d'));
  expect(output.kept()).toEqual([
    { channel: 'stdout', text: 'ab' },
    { channel: 'stderr', text: 'c' },
    { channel: 'stdout', text: 'd' },
  ]);
});

test('the kept output begins with the number of dropped bytes of each channel', () => {
  const output = createOutput(8, noFollowers);
  output.add('stderr', bytes('oh'));
  output.add('stdout', bytes('0123456789'));
  expect(output.kept()).toEqual([
    { channel: 'stdout', text: '', droppedBytes: 2 },
    { channel: 'stderr', text: '', droppedBytes: 2 },
    { channel: 'stdout', text: '23456789' },
  ]);
  expect(output).toMatchObject({ totalBytes: 12, droppedBytes: 4 });
});

test('a code point whose beginning was dropped counts as missing', () => {
  const output = createOutput(4, noFollowers);
  output.add('stdout', bytes('😀abc'));
  expect(output.kept()).toEqual([
    { channel: 'stdout', text: '', droppedBytes: 4 },
    { channel: 'stdout', text: 'abc' },
  ]);
  expect(output).toMatchObject({ totalBytes: 7, droppedBytes: 3 });
});

test('a follower that is added within a code point receives the whole code point', () => {
  const followers = new Set<Follower>();
  const output = createOutput(100, followers);
  const [first, second] = [bytes('x😀').subarray(0, 3), bytes('x😀y').subarray(3)];
  output.add('stdout', first.subarray(0, 2));
  output.add('stdout', first.subarray(2));
  let text = textOf(output.kept(), 'stdout');
  followers.add({
    next(chunk) {
      text += chunk.text;
    },
  });
  output.add('stdout', second);
  expect(text).toBe('x😀y');
});

test('for any writes, kept and dropped bytes add up exactly, and the kept bytes are the last ones', () => {
  const write = fc.record({ channel: fc.constantFrom<Channel>('stdout', 'stderr'), text: fc.string({ maxLength: 40 }) });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), fc.integer({ min: 1, max: 200 }), (writes, bound) => {
      const output = createOutput(bound, noFollowers);
      const all = writes.map(({ channel, text }) => ({ channel, text: text.replace(/[^ -~]/g, '?') }));
      for (const { channel, text } of all) output.add(channel, bytes(text));
      const kept = output.kept();
      const marked = kept.reduce((sum, { droppedBytes = 0 }) => sum + droppedBytes, 0);
      const length = kept.reduce((sum, { text }) => sum + text.length, 0);
      expect(length + output.droppedBytes).toBe(output.totalBytes);
      expect(marked).toBe(output.droppedBytes);
      expect(length).toBe(Math.min(bound, output.totalBytes));
      for (const channel of ['stdout', 'stderr'] as const) expect(textOf(all, channel).endsWith(textOf(kept, channel))).toBe(true);
    }),
  );
});

test('a flood on stdout does not displace the last lines of stderr', () => {
  const output = createOutput(1_000, noFollowers);
  output.add('stderr', bytes('one\ntwo\nthree\n'));
  for (let n = 0; n < 100; n += 1) output.add('stdout', Buffer.alloc(65_536, 120));
  expect(output.stderrTail(2)).toBe('two\nthree');
});

test('a million writes of one byte need no more memory than their bytes', () => {
  const output = createOutput(65_536, noFollowers);
  const one = bytes('x');
  globalThis.gc?.();
  const before = process.memoryUsage();
  for (let n = 0; n < 1_000_000; n += 1) output.add(n % 2 === 0 ? 'stdout' : 'stderr', one);
  globalThis.gc?.();
  const after = process.memoryUsage();
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(512 * 1024);
  expect(output.totalBytes).toBe(1_000_000);
  expect(output.kept().reduce((sum, { text }) => sum + text.length, 0) + output.droppedBytes).toBe(1_000_000);
});

describe('a flood', () => {
  test('of 1 GB without a newline, after a warm-up of 200 MB, leaves the memory of the host where it was', () => {
    // A host of its own, since all tests share the memory of this process.
    const { grewBy, counted, asked, dropped, kept } = JSON.parse(
      execFileSync(process.execPath, ['--expose-gc', join(root, 'test', 'agents', 'flooded-host.js'), '1000'], { encoding: 'utf8' }),
    );
    expect(counted).toBe(asked);
    expect(dropped + kept).toBe(asked);
    expect(grewBy).toBeLessThan(8 * 2 ** 20);
  });
});

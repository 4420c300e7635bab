// What `collect` keeps has no hole, and what it does not keep is counted.
import { expect, test } from 'vitest';
import { ActiveExecution } from '../../src/execution/active-execution.ts';
import { createCollected } from '../../src/execution/collected.ts';

test('a piece that does not fit is cut between two code points, and nothing is kept after it', () => {
  const collected = createCollected(10);
  const dropped = (output: string, bytes: number): number => {
    collected.add(output, bytes);
    return collected.dropped;
  };
  expect([dropped('aaaa', 4), dropped('é€€', 8), dropped('b', 1), dropped('', 0)]).toEqual([0, 3, 4, 4]);
  expect(collected.join(null)).toBe('aaaaé€');
});

test('pieces that fit exactly are kept whole', () => {
  const collected = createCollected(4);
  for (const each of ['ab', '', 'é', 'c']) collected.add(each, Buffer.byteLength(each));
  expect([collected.join(null), collected.dropped]).toEqual(['abé', 1]);
});

test('a bound that lies between two code points cuts there', () => {
  const collected = createCollected(4);
  collected.add('éé€', 7);
  expect([collected.join(null), collected.dropped]).toEqual(['éé', 3]);
});

test('bytes are cut anywhere, and joined as bytes', () => {
  const collected = createCollected(4);
  collected.add(Buffer.from('éé€'), 7);
  expect([collected.join(Buffer.from('x')), collected.dropped]).toEqual([Buffer.from('ééx'), 3]);
  const odd = createCollected(1);
  odd.add(Buffer.from('é'), 2);
  expect(odd.dropped).toBe(1);
  expect(odd.join(null)).toEqual(Buffer.from([0xc3]));
});

test('many small pieces come back in their order; without any, the last output stands alone', () => {
  const collected = createCollected(10_000);
  const pieces = Array.from({ length: 1_000 }, (_, n) => `${n},`);
  for (const each of pieces) collected.add(each, each.length);
  expect(collected.join('end')).toBe(`${pieces.join('')}end`);
  expect([createCollected(1).join('end'), createCollected(1).join(null)]).toEqual(['end', null]);
});

test('small and large pieces come back in their order', () => {
  const collected = createCollected(10_000);
  const pieces = ['a', 'b'.repeat(300), 'c', 'd', 'e'.repeat(255), 'f'.repeat(256), 'g'];
  for (const each of pieces) collected.add(each, each.length);
  expect(collected.join('end')).toBe(`${pieces.join('')}end`);
});

test('a result of more than the bound is its beginning, however its pieces are cut', async () => {
  const owner = {
    ids: {},
    now: () => 0,
    settled() {},
    cancel() {},
    timedOut() {},
    throttle() {},
    grant() {},
    lend: () => false,
    subscriberThrew() {},
  };
  const call = new ActiveExecution(owner, 1, 't', { command: 'c', args: [], env: new Map(), settings: undefined }, 0, {
    collect: true,
    cancelOnReturn: false,
    encoding: 'utf8',
    reject: true,
  });
  call.written();
  const answer = (status: 'Running' | 'Completed', output: string | null) =>
    call.answer({ taskId: 't', status, output, error: null, exitCode: status === 'Completed' ? 0 : null });
  const MIB = 2 ** 20;
  answer('Running', 'x'.repeat(15 * MIB));
  answer('Running', 'y'.repeat(2 * MIB));
  answer('Running', 'z');
  answer('Completed', 'end');
  const { output, truncatedBytes } = await call.result;
  expect(output === `${'x'.repeat(15 * MIB)}${'y'.repeat(MIB)}end`).toBe(true);
  expect(truncatedBytes).toBe(MIB + 1);
});

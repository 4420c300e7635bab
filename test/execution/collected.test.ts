// What `collect` keeps has no hole, and what it does not keep is counted.
import { expect, test } from 'vitest';
import { ActiveExecution } from '../../src/execution/active-execution.ts';
import { createCollected } from '../../src/execution/collected.ts';

test('a piece that does not fit is cut between two code points, and nothing is kept after it', () => {
  const collected = createCollected(10);
  expect(collected.add('aaaa', 4)).toBe(0);
  expect(collected.add('é€€', 8)).toBe(3);
  expect(collected.add('b', 1)).toBe(1);
  expect(collected.add('', 0)).toBe(0);
  expect(collected.join(null)).toBe('aaaaé€');
});

test('pieces that fit exactly are kept whole', () => {
  const collected = createCollected(4);
  expect([collected.add('ab', 2), collected.add('', 0), collected.add('é', 2), collected.add('c', 1)]).toEqual([0, 0, 0, 1]);
  expect(collected.join(null)).toBe('abé');
});

test('a bound that lies between two code points cuts there', () => {
  const collected = createCollected(4);
  expect(collected.add('éé€', 7)).toBe(3);
  expect(collected.join(null)).toBe('éé');
});

test('bytes are cut anywhere, and joined as bytes', () => {
  const collected = createCollected(4);
  expect(collected.add(Buffer.from('éé€'), 7)).toBe(3);
  expect(collected.join(Buffer.from('x'))).toEqual(Buffer.from('ééx'));
  const odd = createCollected(1);
  expect(odd.add(Buffer.from('é'), 2)).toBe(1);
  expect(odd.join(null)).toEqual(Buffer.from([0xc3]));
});

test('a result of more than the bound is its beginning, however its pieces are cut', async () => {
  const owner = {
    ids: {},
    settled() {},
    cancel() {},
    timedOut() {},
    throttle() {},
    grant() {},
    lend: () => false,
    subscriberThrew() {},
  };
  const call = new ActiveExecution(owner, 1, 't', { command: 'c', args: [], env: new Map() }, 0, {
    collect: true,
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

// What the request table refuses, and what ends by itself: timeouts, bounds, task ids, signals.
import { expect, test } from 'vitest';
import { openTable, turn } from './stage.ts';

test('the timeout is that of the execution, else that of the instance, and runs while it waits, too', async () => {
  const { clock, calls, failure } = openTable({ timeout: 200 });
  const [own, common] = [calls.execute({ command: 'c' }, { timeout: 100 }), calls.execute({ command: 'c' })];
  clock.pass(100);
  expect([await failure(own), calls.inFlight()]).toEqual(['EXECUTION_TIMEOUT: the execution did not end within 100 ms', 1]);
  clock.pass(100);
  expect(await failure(common)).toBe('EXECUTION_TIMEOUT: the execution did not end within 200 ms');
  expect(clock.pending.length).toBeLessThanOrEqual(1);
});

test('maxInFlight bounds the executions in flight; one that ends makes room, and a refused one takes none', async () => {
  const { calls, connect, answer, failure } = openTable({ maxInFlight: 2 });
  connect();
  calls.execute({ command: 'a' });
  calls.execute({ command: 'b' });
  expect(await failure(calls.execute({ command: 'c' }))).toMatch(/^OVERLOADED: 2 executions .*maxInFlight \(2\)/);
  await turn();
  answer(1, 'Completed');
  calls.execute({ command: 'd' });
  expect([calls.inFlight(), calls.counts.executions]).toEqual([2, 3]);
});

test('maxQueuedBytes bounds what waits, with a connection or without; the first request is always accepted', async () => {
  const { calls, connect, failure } = openTable({ maxQueuedBytes: 1_000, maxInFlight: 100 });
  const large = { command: 'x'.repeat(2_000) };
  const first = calls.execute(large);
  expect(await failure(calls.execute({ command: 'c' }))).toMatch(/^OVERLOADED: 2\d\d\d bytes .*maxQueuedBytes \(1000\)/);
  first.cancel();
  calls.execute({ command: 'fits' });
  expect(calls.inFlight()).toBe(1);
  const { stream } = connect();
  stream.full = true;
  await turn();
  calls.execute(large);
  expect(await failure(calls.execute({ command: 'c' }))).toMatch(/^OVERLOADED/);
  expect(() => calls.signal('x')).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
});

test('a signal is for a connected agent, and has to be text', async () => {
  const { calls, connect } = openTable();
  expect(() => calls.signal('x')).toThrow(expect.objectContaining({ code: 'NOT_DELIVERED' }));
  const { said } = connect();
  for (const wrong of [1, null, '\ud800'])
    expect(() => calls.signal(wrong as string)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }));
  calls.signal('hello');
  await turn();
  expect(said()).toEqual(['user 1']);
});

// The executions of one instance over a connection that a test plays: what is sent when, and how each one settles.
import { expect, test } from 'vitest';
import { QUIET_MS } from '../../src/execution/activity.ts';
import { MIB, openTable, saidOn, turn } from './stage.ts';

test('requests that wait for a connection are sent on the first one, in order, and each answer reaches its execution', async () => {
  const { calls, connect, answer } = openTable();
  const [one, two] = [calls.execute({ command: 'one' }), calls.execute({ command: 'two' })];
  const { said } = connect();
  const three = calls.execute({ command: 'three' });
  await turn();
  expect(said()).toEqual(['request 1 one', 'request 2 two', 'request 3 three']);
  answer(3, 'Completed', { output: 'c' });
  answer(1, 'Completed', { output: 'a' });
  answer(2, 'Completed', { output: 'b' });
  expect((await Promise.all([one.result, two.result, three.result])).map(({ output }) => output)).toEqual(['a', 'b', 'c']);
  expect([calls.inFlight(), calls.counts]).toEqual([0, { executions: 3, lateAnswers: 0, foreignAnswers: 0, unanswered: 0 }]);
});

test('a request that was not written is sent on the next connection, a written one is not', async () => {
  const { calls, connect, answer } = openTable();
  const first = connect();
  first.stream.full = true;
  calls.execute({ command: 'written' });
  await turn();
  const waiting = calls.execute({ command: 'waiting' });
  await turn();
  calls.detach(undefined);
  first.channel.close();
  const second = connect();
  await turn();
  expect([first.said(), second.said()]).toEqual([['request 1 written'], ['request 2 waiting']]);
  answer(2, 'Completed', { output: 'here' });
  expect((await waiting.result).output).toBe('here');
});

test('a written request without an answer within the reconnect window has an unknown outcome', async () => {
  const { clock, calls, connect, answer, failure } = openTable();
  connect();
  const [silent, heard] = [calls.execute({ command: 'silent' }), calls.execute({ command: 'heard' })];
  await turn();
  calls.detach(undefined);
  connect();
  answer(2, 'Started');
  clock.pass(999);
  expect(calls.inFlight()).toBe(2);
  clock.pass(1);
  expect(await failure(silent)).toMatch(/^OUTCOME_UNKNOWN: .*reconnect window/);
  clock.pass(5_000);
  answer(2, 'Completed', { output: 'still' });
  expect((await heard.result).output).toBe('still');
});

test('a late or foreign answer is counted and changes nothing', async () => {
  const { calls, connect, answer } = openTable();
  calls.execute({ command: 'never written' });
  answer(1, 'Completed');
  connect();
  const execution = calls.execute({ command: 'c' });
  await turn();
  answer(2, 'Completed', { taskId: 'another' });
  answer(3, 'Completed');
  answer(99, 'Started');
  expect(calls.counts).toMatchObject({ lateAnswers: 0, foreignAnswers: 4 });
  answer(2, 'Started');
  answer(2, 'Started');
  answer(2, 'Completed');
  await execution.result;
  answer(2, 'Completed');
  answer(2, 'Running', { output: 'x' });
  expect(calls.counts).toMatchObject({ lateAnswers: 3, foreignAnswers: 4 });
});

test('a cancel is sent for a written request, and removes an unwritten one', async () => {
  const { calls, connect, failure } = openTable();
  const { said, stream } = connect();
  const known = calls.execute({ command: 'known' });
  await turn();
  const unknown = calls.execute({ command: 'unknown' });
  unknown.cancel('no need');
  known.cancel();
  await turn();
  expect(await failure(unknown)).toBe('CANCELLED: the execution was cancelled: no need');
  expect(await failure(known)).toBe('CANCELLED: the execution was cancelled: cancelled by the caller');
  expect(saidOn(stream)).toEqual(['request 1 known', 'cancel 1 i/1']);
  expect([said().length, calls.inFlight()]).toEqual([2, 0]);
});

test('a cancel without an answer within the grace counts as unanswered, once', async () => {
  const { clock, told, calls, connect, answer } = openTable();
  connect();
  const [silent, obedient] = [calls.execute({ command: 'silent' }), calls.execute({ command: 'obedient' })];
  await turn();
  silent.cancel();
  obedient.cancel();
  answer(2, 'Running', { output: 'x' });
  answer(2, 'Failed');
  clock.pass(499);
  expect(calls.counts.unanswered).toBe(0);
  clock.pass(1);
  clock.pass(5_000);
  expect([calls.counts.unanswered, told.filter(each => each.startsWith('unanswered'))]).toEqual([1, ['unanswered i/1']]);
});

test('a cancel on a lost connection does not count as unanswered', async () => {
  const { clock, calls, connect } = openTable();
  const { channel } = connect();
  calls.execute({ command: 'c' }).cancel();
  const execution = calls.execute({ command: 'c' });
  await turn();
  execution.cancel();
  calls.detach(undefined);
  channel.close();
  clock.pass(5_000);
  expect(calls.counts.unanswered).toBe(0);
});

test('an execution cancelled without a connection is cancelled when the agent reports it as started', async () => {
  const { calls, connect, answer } = openTable();
  connect();
  const execution = calls.execute({ command: 'c' });
  await turn();
  calls.detach(undefined);
  execution.cancel();
  const { said } = connect();
  answer(1, 'Started');
  answer(1, 'Started');
  await turn();
  expect(said()).toEqual(['cancel 1 i/1']);
});

test('when the program ends, written requests have an unknown outcome, and unwritten ones wait on', async () => {
  const { calls, connect, failure } = openTable();
  connect();
  const given = calls.execute({ command: 'given' });
  await turn();
  calls.detach(undefined);
  const waiting = calls.execute({ command: 'waiting' });
  calls.epochEnded('it crashed', undefined);
  expect([await failure(given), calls.inFlight()]).toEqual(['OUTCOME_UNKNOWN: no answer will come: it crashed', 1]);
  calls.close('it was stopped', undefined);
  expect(await failure(calls.execute({ command: 'late' }))).toBe('INSTANCE_STOPPED: the instance takes no more work: it was stopped');
  calls.end();
  expect([await failure(waiting), calls.inFlight()]).toEqual(['NOT_DELIVERED: no answer will come: it was stopped', 0]);
});

test('a slow reader holds the connection until it reads on, and no cancel counts as unanswered meanwhile', async () => {
  const { clock, calls, connect, answer } = openTable();
  const { channel } = connect();
  const [slow, other] = [calls.execute({ command: 'slow' }), calls.execute({ command: 'other' })];
  await turn();
  const reader = slow[Symbol.asyncIterator]();
  for (let i = 0; i < 3; i += 1) answer(1, 'Running', { output: 'x'.repeat(MIB / 2) });
  expect(channel.paused).toBe(true);
  other.cancel();
  clock.pass(5_000);
  expect(calls.counts.unanswered).toBe(0);
  for (let i = 0; i < 4; i += 1) await reader.next();
  expect(channel.paused).toBe(false);
  clock.pass(500);
  expect(calls.counts.unanswered).toBe(1);
});

test('a connection that is lost while a slow reader holds it is read to its end', async () => {
  const { calls, connect, answer } = openTable();
  calls.detach(undefined);
  const { channel } = connect();
  const slow = calls.execute({ command: 'slow' });
  await turn();
  slow[Symbol.asyncIterator]();
  for (let i = 0; i < 3; i += 1) answer(1, 'Running', { output: 'x'.repeat(MIB / 2) });
  expect(channel.paused).toBe(true);
  const another = calls.execute({ command: 'slow' });
  await turn();
  another[Symbol.asyncIterator]();
  calls.detach(undefined);
  expect(channel.paused).toBe(false);
  // There is no connection any more that could be held.
  for (let i = 0; i < 3; i += 1) answer(2, 'Running', { output: 'x'.repeat(MIB / 2) });
  expect(channel.paused).toBe(false);
});

test('activity is reported when it begins and when it ends', async () => {
  const { clock, told, calls, connect, answer } = openTable();
  connect();
  calls.execute({ command: 'c' });
  await turn();
  answer(1, 'Completed');
  clock.pass(QUIET_MS);
  expect(told).toEqual(['begun', 'finished']);
});

test('idleTimeout ends an execution of which nothing comes, and what comes begins it anew', async () => {
  const { clock, calls, connect, answer, failure } = openTable();
  const { said } = connect();
  const execution = calls.execute({ command: 'c' }, { idleTimeout: 100 });
  await turn();
  answer(1, 'Started');
  for (let n = 0; n < 5; n += 1) {
    clock.pass(99);
    answer(1, 'Running', { output: 'x' });
  }
  clock.pass(99);
  expect(calls.inFlight()).toBe(1);
  clock.pass(1);
  await turn();
  expect([await failure(execution), said().at(-1)]).toEqual([
    'EXECUTION_TIMEOUT: nothing came of the execution for 100 ms',
    'cancel 1 i/1',
  ]);
});

test('time without a connection, and time in which a reader holds the connection back, is not idle', async () => {
  const { clock, calls, connect, answer, failure } = openTable();
  const waiting = calls.execute({ command: 'c' }, { idleTimeout: 100 });
  clock.pass(500);
  connect();
  await turn();
  clock.pass(60);
  const reader = waiting[Symbol.asyncIterator]();
  for (let n = 0; n < 3; n += 1) answer(1, 'Running', { output: 'x'.repeat(MIB / 2) });
  clock.pass(5_000);
  expect(calls.inFlight()).toBe(1);
  for (let n = 0; n < 4; n += 1) await reader.next();
  clock.pass(200);
  expect(await failure(waiting)).toMatch(/^EXECUTION_TIMEOUT: nothing came/);
});

test('a task id in flight attaches to its execution if the request is the same, and is refused otherwise; later it runs anew', async () => {
  const { calls, connect, answer, failure } = openTable();
  const { said } = connect();
  const request = { command: 'c', args: ['a'], env: { A: '1' }, taskId: 'mine' };
  const first = calls.execute(request);
  await turn();
  expect(calls.execute({ ...request, env: new Map([['A', '1']]) })).toBe(first);
  expect(await failure(calls.execute({ ...request, args: ['b'] }))).toMatch(/^INVALID_OPTIONS: .*'mine' is in flight already/);
  expect(await failure(calls.execute(request, { encoding: 'buffer' }))).toMatch(/^INVALID_OPTIONS: /);
  answer(1, 'Completed', { taskId: 'mine', output: 'one' });
  expect((await first.result).output).toBe('one');
  const again = calls.execute(request);
  expect(again).not.toBe(first);
  await turn();
  expect(said()).toEqual(['request 1 c', 'request 5 c']);
});

test('the time without a connection is not idle for a request that was sent, on wire v1 too', async () => {
  const { clock, calls, connect, answer } = openTable();
  connect();
  const execution = calls.execute({ command: 'c' }, { idleTimeout: 100 });
  await turn();
  calls.detach(undefined);
  clock.pass(900);
  connect();
  answer(1, 'Started');
  clock.pass(99);
  answer(1, 'Completed', { output: 'here' });
  expect((await execution.result).output).toBe('here');
});

test('a reader that comes after a failure gets the failed update, and then the error', async () => {
  const { calls, connect, failure } = openTable();
  connect();
  const execution = calls.execute({ command: 'c' });
  await turn();
  execution.cancel();
  expect(await failure(execution)).toMatch(/^CANCELLED: /);
  const reader = execution[Symbol.asyncIterator]();
  expect(await reader.next()).toMatchObject({ value: { status: 'failed', error: expect.stringContaining('cancelled') } });
  await expect(reader.next()).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('at the end of the instance a request that was sent has an unknown outcome, and one that waits was not delivered', async () => {
  const { calls, connect, failure } = openTable({ maxConcurrency: 1 });
  connect();
  const [sent, waiting] = [calls.execute({ command: 'sent' }), calls.execute({ command: 'waiting' })];
  await turn();
  calls.close('it is over', undefined);
  calls.end();
  expect([await failure(sent), await failure(waiting)]).toEqual([
    'OUTCOME_UNKNOWN: no answer will come: it is over',
    'NOT_DELIVERED: no answer will come: it is over',
  ]);
});

// One execution on its own: how it settles, and that nothing after its end changes it.
import { expect, test } from 'vitest';
import { SpearletError } from '../../src/errors.ts';
import { ActiveExecution, type ExecutionOptions, type ExecutionOwner } from '../../src/execution/active-execution.ts';
import type { ExecutionUpdate } from '../../src/execution/update.ts';
import { defaultExecuteOptions } from '../../src/option-schemas.ts';
import type { Status } from '../../src/protocol/message.ts';

const request = { command: 'c', args: [], env: new Map<string, string>(), settings: undefined };

const clock = { time: 0 };

function open(options: Partial<ExecutionOptions> = {}) {
  const told: string[] = [];
  const owner: ExecutionOwner = {
    ids: { instanceId: 'i' },
    now: () => clock.time,
    settled: ({ phase }) => void told.push(`settled ${phase}`),
    cancel: (_, reason) => void told.push(`cancelled: ${reason}`),
    timedOut: () => void told.push('timed out'),
    throttle: (_, on) => void told.push(`throttle ${on}`),
    grant: (_, bytes) => void told.push(`taken ${bytes}`),
    lend: () => false,
    subscriberThrew: error => void told.push(`thrown ${error}`),
  };
  const execution = new ActiveExecution(owner, 1, 't', request, 1, { ...defaultExecuteOptions, collect: false, ...options });
  const answer = (status: Status, more: { output?: string; error?: string; exitCode?: number; outputOffset?: number } = {}) =>
    execution.answer({ taskId: 't', status, output: null, error: null, exitCode: null, ...more });
  const updates = () => {
    const seen: ExecutionUpdate<unknown>[] = [];
    execution.updates$.subscribe(update => void seen.push(update));
    return seen;
  };
  return { execution, told, answer, updates };
}
const lost = new SpearletError('LINK_LOST', 'gone');

test('an answer before the request was written, a second one, or one after the end is ignored', async () => {
  const { execution, told, answer, updates } = open();
  expect([answer('Started'), answer('Completed')]).toEqual([false, false]);
  execution.written();
  expect([answer('Started'), answer('Started')]).toEqual([true, false]);
  expect(answer('Completed', { output: 'first', exitCode: 0 })).toBe(true);
  expect([answer('Completed', { output: 'second' }), answer('Running', { output: 'x', outputOffset: 100 })]).toEqual([false, false]);
  expect(execution.end('cancel', lost)).toBe(false);
  expect(await execution.result).toEqual({
    taskId: 't',
    status: 'completed',
    output: 'first',
    stderr: null,
    error: null,
    exitCode: 0,
    truncatedBytes: 0,
    duration: 0,
  });
  expect(told).toEqual(['settled completed']);
  expect(updates()).toEqual([
    { taskId: 't', status: 'started' },
    { taskId: 't', status: 'completed', output: 'first', exitCode: 0 },
  ]);
});

test('a late answer does not tell a late reader of output that was lost', () => {
  const { execution, answer, updates } = open();
  execution.written();
  answer('Completed');
  answer('Completed', { outputOffset: 100 });
  expect(updates().map(({ status, gap }) => [status, gap])).toEqual([
    ['started', undefined],
    ['completed', undefined],
  ]);
});

test('output that is missing before a message is a gap at its place, and counted', async () => {
  const { execution, answer, updates } = open({ collect: true });
  execution.written();
  const seen = updates();
  answer('Running', { output: 'aé', outputOffset: 0 });
  answer('Running', { output: 'b', outputOffset: 10 });
  answer('Running', { output: 'c', outputOffset: 5 });
  answer('Completed', { output: '!', exitCode: 0, outputOffset: 20 });
  expect(seen.map(({ status, output, gap }) => [status, output ?? gap])).toEqual([
    ['started', undefined],
    ['running', 'aé'],
    ['running', { from: 3, to: 10 }],
    ['running', 'b'],
    ['running', 'c'],
    ['running', { from: 12, to: 20 }],
    ['completed', '!'],
  ]);
  expect(await execution.result).toMatchObject({ output: 'aébc!', truncatedBytes: 15 });
});

test('a Failed answer rejects with all that is known, or is a result where that was asked for', async () => {
  const failed = open();
  failed.execution.written();
  failed.answer('Failed', { output: 'out', error: 'bad', exitCode: 3 });
  await expect(failed.execution.result).rejects.toMatchObject({
    code: 'EXECUTION_FAILED',
    message: 'the execution failed with exit code 3: bad',
    instanceId: 'i',
    taskId: 't',
    exitCode: 3,
    output: 'out',
    error: 'bad',
    truncatedBytes: 0,
  });

  const tolerant = open({ reject: false });
  tolerant.execution.written();
  tolerant.answer('Failed', { error: 'bad' });
  expect(await tolerant.execution.result).toMatchObject({ status: 'failed', output: null, error: 'bad', exitCode: null });

  const silent = open();
  silent.execution.written();
  silent.answer('Failed');
  await expect(silent.execution.result).rejects.toThrow(/^the execution failed$/);
});

test('an end from our side rejects the result with that error, for early and late callers', async () => {
  for (const [happening, phase] of [
    ['cancel', 'cancelled'],
    ['deadline', 'timedOut'],
    ['lost', 'unknown'],
  ] as const) {
    const { execution, told, updates } = open();
    execution.written();
    const early = execution.result;
    const seen = updates();
    expect(execution.end(happening, lost)).toBe(true);
    await expect(early).rejects.toThrow('gone');
    expect(execution.result).toBe(early);
    expect([execution.phase, told, seen]).toEqual([phase, [`settled ${phase}`], [{ taskId: 't', status: 'failed', error: 'gone' }]]);
  }
  const unsent = open();
  unsent.execution.end('lost', lost);
  expect(unsent.execution.phase).toBe('undelivered');
  await expect(unsent.execution.result).rejects.toThrow('gone');
});

test('its deadline and its signal are released at the end, and its request once it is written', () => {
  const { execution, answer } = open();
  const released: string[] = [];
  expect(execution.request).toBe(request);
  execution.deadline = { cancel: () => void released.push('deadline') };
  execution.stopWaiting = () => void released.push('signal');
  execution.written();
  expect([execution.request, released]).toEqual([null, []]);
  answer('Completed');
  expect([released, execution.deadline, execution.stopWaiting]).toEqual([['deadline', 'signal'], null, null]);
});

test('a cancel is passed on with its reason', () => {
  const { execution, told } = open();
  execution.cancel();
  execution.cancel('no need');
  expect(told).toEqual(['cancelled: cancelled by the caller', 'cancelled: no need']);
});

test('an execution whose time is over tells its owner, and the owner ends it', () => {
  const { execution, told } = open({ timeout: 5 });
  execution.expire();
  expect([execution.timeout, execution.phase, told]).toEqual([5, 'waiting', ['timed out']]);
});

test('a reader that comes after the end gets the error, once', async () => {
  const { execution, answer } = open();
  execution.written();
  answer('Running', { output: 'x' });
  execution.end('lost', lost);
  const reader = execution[Symbol.asyncIterator]();
  expect(await reader.next()).toMatchObject({ value: { status: 'started' } });
  expect(await reader.next()).toMatchObject({ value: { output: 'x' } });
  expect(await reader.next()).toMatchObject({ value: { status: 'failed', error: 'gone' } });
  await expect(reader.next()).rejects.toThrow('gone');
  expect(await reader.next()).toEqual({ value: undefined, done: true });
});

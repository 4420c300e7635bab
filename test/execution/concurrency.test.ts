// `maxConcurrency`: the agent gets so many executions at a time, and the rest waits in the request table.
import { expect, test } from 'vitest';
import { openTable, turn } from './stage.ts';

const commands = (said: string[]): string[] => said.map(each => each.replace(/ i\/\d+$/, ''));

test('the agent gets so many at a time, and the next one when one has ended, in the order of the calls', async () => {
  const { calls, connect, answer } = openTable({ maxConcurrency: 2 });
  const { said } = connect();
  for (const command of ['a', 'b', 'c', 'd']) calls.execute({ command });
  await turn();
  expect(said()).toEqual(['request 1 a', 'request 2 b']);
  answer(2, 'Completed');
  await turn();
  expect(said()).toEqual(['request 1 a', 'request 2 b', 'request 3 c']);
  answer(1, 'Failed');
  answer(3, 'Completed');
  await turn();
  expect(said().at(-1)).toBe('request 4 d');
});

test('those that wait for the session begin in their order too', async () => {
  const { calls, connect, answer } = openTable({ maxConcurrency: 1 });
  for (const command of ['a', 'b']) calls.execute({ command });
  const { said } = connect();
  await turn();
  expect(said()).toEqual(['request 1 a']);
  answer(1, 'Completed');
  await turn();
  expect(said()).toEqual(['request 1 a', 'request 2 b']);
});

test('one that was cancelled counts until the agent has answered, or `grace` is over', async () => {
  const { clock, calls, connect, answer } = openTable({ maxConcurrency: 1, grace: 500 });
  const { said } = connect();
  const [a, b] = ['a', 'b', 'c'].map(command => calls.execute({ command }));
  await turn();
  a!.cancel();
  await turn();
  expect(commands(said())).toEqual(['request 1 a', 'cancel 1']);
  answer(1, 'Failed');
  await turn();
  expect(said().at(-1)).toBe('request 2 b');
  b!.cancel();
  await turn();
  expect(commands(said()).at(-1)).toBe('cancel 2');
  clock.pass(600);
  await turn();
  expect(said().at(-1)).toBe('request 3 c');
});

test('one that waits can be cancelled and can time out, and then the agent never hears of it', async () => {
  const { clock, calls, connect, answer, failure } = openTable({ maxConcurrency: 1 });
  const { said } = connect();
  calls.execute({ command: 'a' });
  const cancelled = calls.execute({ command: 'b' });
  const late = calls.execute({ command: 'c' }, { timeout: 100 });
  calls.execute({ command: 'd' });
  cancelled.cancel();
  clock.pass(100);
  expect(await failure(cancelled)).toMatch('CANCELLED');
  expect(await failure(late)).toMatch('EXECUTION_TIMEOUT');
  await turn();
  answer(1, 'Completed');
  await turn();
  expect(said()).toEqual(['request 1 a', 'request 4 d']);
});

test('they wait within maxQueuedBytes', async () => {
  const { calls, connect, failure } = openTable({ maxConcurrency: 1, maxQueuedBytes: 1_000 });
  connect();
  calls.execute({ command: 'a' });
  await turn();
  calls.execute({ command: 'b', args: ['x'.repeat(600)] });
  expect(await failure(calls.execute({ command: 'c', args: ['x'.repeat(600)] }))).toMatch('OVERLOADED');
});

test('after a lost connection those that were sent still count, and in a new epoch none does', async () => {
  const { calls, connect, answer } = openTable({ maxConcurrency: 1 });
  connect();
  for (const command of ['a', 'b']) calls.execute({ command });
  await turn();
  calls.detach(undefined);
  const second = connect();
  await turn();
  expect(second.said()).toEqual([]);
  answer(1, 'Completed');
  await turn();
  expect(second.said()).toEqual(['request 2 b']);
  calls.execute({ command: 'c' });
  calls.detach(undefined);
  calls.epochEnded('the program ended', undefined);
  const third = connect();
  await turn();
  expect(third.said()).toEqual(['request 3 c']);
});

test('cancels that the agent never answers hold their place until `grace` is over, however many there were before', async () => {
  const { clock, calls, connect } = openTable({ maxConcurrency: 1, maxInFlight: 2, grace: 500 });
  const { said } = connect();
  let running = calls.execute({ command: 'first' });
  await turn();
  for (let n = 1; n <= 5; n += 1) {
    const waiting = calls.execute({ command: 'next' });
    running.cancel();
    running.result.catch(() => {});
    clock.pass(499);
    await turn();
    expect(commands(said()).at(-1)).toBe(`cancel ${n}`);
    clock.pass(1);
    await turn();
    expect(said().at(-1)).toBe(`request ${n + 1} next`);
    running = waiting;
  }
});

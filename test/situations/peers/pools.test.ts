// Pools and concurrency as users of piscina rely on them.
import { beforeAll, describe, expect, test } from 'vitest';
import type { InstanceSpec, Pool, PoolOptions } from '../../../src/index.ts';
import { atEnd, remember } from '../../census/census.ts';
import { agentFile, everyday, failureOf, seen } from '../world.ts';
import { begin, differs, sharedInstance, sharedSpearlet } from './stage.ts';

const spearlet = sharedSpearlet();
const pooled: InstanceSpec = { artifactId: 'pooled', command: process.execPath, args: [agentFile('pooled.js')] };

async function openPool(options: PoolOptions = {}): Promise<Pool> {
  const pool = spearlet().pool(pooled, { max: 1, ...options });
  atEnd(() => pool.stop({ grace: 0 }));
  await pool.ready;
  return pool;
}
/** Of one worker. */
let shared: Pool;
beforeAll(async () => {
  shared = spearlet().pool(pooled, { max: 1 });
  await shared.ready;
  remember(shared.members[0]!.id);
});
const executions = (): number => shared.stats().members[0]!.executions;
const hold = (pool: Pool, options = {}) => pool.execute({ command: 'hold' }, options);

describe('piscina', () => {
  test('maxQueue: a task beyond it is refused at once, and those within it run', async () => {
    const pool = await openPool({ queue: 2 });
    const running = hold(pool);
    const waiting = [1, 2].map(() => pool.execute({ command: 'pid' }));
    expect(await failureOf(pool.execute({ command: 'pid' }).result)).toMatchObject({ code: 'OVERLOADED' });
    running.cancel();
    expect((await Promise.all(waiting.map(({ result }) => result))).map(({ status }) => status)).toEqual(['completed', 'completed']);
  });

  test('a task that waits and is aborted never reaches a worker', async () => {
    const before = executions();
    const running = hold(shared);
    const aborter = new AbortController();
    const waiting = hold(shared, { signal: aborter.signal });
    aborter.abort();
    expect(await failureOf(waiting.result)).toMatchObject({ code: 'CANCELLED' });
    const next = shared.execute({ command: 'pid' });
    running.cancel();
    await next.result;
    expect(executions() - before).toBe(2);
  });

  test('a task whose signal is aborted already is never run', async () => {
    const before = executions();
    expect(await failureOf(hold(shared, { signal: AbortSignal.abort() }).result)).toMatchObject({ code: 'CANCELLED' });
    expect(executions()).toBe(before);
  });

  differs('a task that runs and is aborted does not end its worker', async () => {
    const aborter = new AbortController();
    const running = hold(shared, { signal: aborter.signal });
    await seen(running.updates$, ({ status }) => status === 'started');
    const { pid } = shared.members[0]!;
    aborter.abort();
    expect(await failureOf(running.result)).toMatchObject({ code: 'CANCELLED' });
    expect((await shared.execute({ command: 'pid' }).result).output).toBe(String(pid));
  });

  test('tasks that wait run in the order of their calls', async () => {
    const running = hold(shared);
    const order: number[] = [];
    const waiting = Array.from({ length: 20 }, (_, n) => shared.execute({ command: 'pid' }).result.then(() => order.push(n)));
    running.cancel();
    await Promise.all(waiting);
    expect(order).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  test('concurrentTasksPerWorker: a worker runs so many at once', async () => {
    const pool = await openPool({ maxConcurrency: 3 });
    const tasks = Array.from({ length: 4 }, () => hold(pool));
    expect(pool.stats()).toMatchObject({ running: 3, waiting: 1 });
    for (const task of tasks) task.cancel();
  });

  test('a task that fails rejects with its error, and the worker goes on', async () => {
    expect(await failureOf(shared.execute({ command: 'fail' }).result)).toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 3 });
    expect((await shared.execute({ command: 'pid' }).result).output).toBe(String(shared.members[0]!.pid));
  });

  test('close(): what was taken completes, and nothing is taken any more', async () => {
    const pool = await openPool();
    const taken = [1, 2, 3].map(() => pool.execute({ command: 'pid' }));
    const closed = pool.stop({ drain: true });
    expect(await failureOf(pool.execute({ command: 'pid' }).result)).toMatchObject({ code: 'POOL_STOPPED' });
    await closed;
    expect((await Promise.all(taken.map(({ result }) => result))).map(({ status }) => status)).toEqual(Array(3).fill('completed'));
  });

  differs('destroy(): a task that waits is NOT_DELIVERED, and one that runs has an unknown outcome', async () => {
    const pool = await openPool();
    const running = hold(pool);
    await seen(running.updates$, ({ status }) => status === 'started');
    const waiting = hold(pool);
    await pool.stop({ grace: 0 });
    expect(await failureOf(running.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await failureOf(waiting.result)).toMatchObject({ code: 'NOT_DELIVERED' });
  });

  test('minThreads: so many workers live without a task, and `completed` counts what has run', async () => {
    const pool = await openPool({ min: 2, max: 2 });
    expect(pool.members).toHaveLength(2);
    await Promise.all([1, 2, 3].map(() => pool.execute({ command: 'pid' }).result));
    expect(pool.stats()).toMatchObject({ completed: 3, waitTime: { count: 3 }, runTime: { count: 3 } });
  });
});

describe('piscina, on one instance', () => {
  const agent = sharedInstance(spearlet, everyday);

  test('maxConcurrency: the next task begins when one has ended', async () => {
    const instance = await begin(spearlet(), { ...everyday, maxConcurrency: 1 });
    const first = instance.execute({ command: 'wait' });
    const second = instance.execute({ command: 'echo', args: ['second'] });
    const statuses: string[] = [];
    second.updates$.subscribe(({ status }) => statuses.push(status));
    await seen(first.updates$, ({ status }) => status === 'started');
    expect(statuses).toEqual([]);
    first.cancel();
    expect((await second.result).output).toBe('second');
  });

  differs('what a task gets and returns is text, bytes or JSON: a function cannot be passed', async () => {
    expect(await failureOf(agent().call('echo', () => {}))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('many tasks at once each get their own answer', async () => {
    const names = Array.from({ length: 200 }, (_, n) => String(n));
    const results = await Promise.all(names.map(name => agent().execute({ command: 'echo', args: [name] }).result));
    expect(results.map(({ output }) => output)).toEqual(names);
  });
});

// Pools of real programs: what callers get, while members start, are busy, become idle, are replaced, are killed and stopped.
import { describe, expect, test } from 'vitest';
import type { Execution, ExecutionUpdate, Pool, PoolOptions, SpearletOptions } from '../../src/index.ts';
import { agentFile, everyday, failureOf, openSpearlet, seen, until } from './world.ts';

const pooled = { artifactId: 'pooled', command: process.execPath, args: [agentFile('pooled.js')] };

async function openPool(options: PoolOptions = {}, spearletOptions: SpearletOptions = {}) {
  const spearlet = openSpearlet(spearletOptions);
  const pool = spearlet.pool(pooled, options);
  await pool.ready;
  return { spearlet, pool };
}
const hold = (pool: Pool, options = {}) => pool.execute({ command: 'hold' }, options);
const read = async (execution: Execution) => {
  const updates: ExecutionUpdate[] = [];
  for await (const update of execution) updates.push(update);
  return updates;
};
const pidOf = async (pool: Pool) => (await pool.execute({ command: 'pid' }).result).output;

test('a pool executes on its members, as an instance does', async () => {
  const { pool } = await openPool({ min: 2 });
  const execution = pool.execute({ command: 'count', args: ['3'], taskId: 'mine' });
  const seenStatuses: string[] = [];
  execution.updates$.subscribe(({ status, taskId }) => seenStatuses.push(`${status} ${taskId}`));
  const pulled: unknown[] = [];
  for await (const { status, output } of execution) pulled.push(output ?? status);
  expect(await execution.result).toMatchObject({ taskId: 'mine', status: 'completed', output: 'counted' });
  expect(pulled).toEqual(['started', '1', '2', '3', 'counted']);
  expect(seenStatuses).toEqual(['started mine', 'running mine', 'running mine', 'running mine', 'completed mine']);
  expect(pool.stats()).toMatchObject({ state: 'open', executions: 1, completed: 1, failed: 0, waiting: 0, running: 0 });
});

test('a failed execution rejects with the error of the agent, and its reader gets that update last', async () => {
  const { pool } = await openPool();
  const execution = pool.execute({ command: 'fail' });
  const statuses: string[] = [];
  await expect(
    (async () => {
      for await (const { status } of execution) statuses.push(status);
    })(),
  ).rejects.toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 3 });
  expect(statuses).toEqual(['started', 'failed']);
  expect(await pool.execute({ command: 'fail' }, { reject: false }).result).toMatchObject({ status: 'failed', exitCode: 3 });
});

test('executions before the first member is ready wait, and one that reads early gets every update', async () => {
  const spearlet = openSpearlet();
  const pool = spearlet.pool(pooled);
  const statuses: string[] = [];
  const execution = pool.execute({ command: 'count', args: ['1'] });
  execution.updates$.subscribe(({ status }) => statuses.push(status));
  expect(pool.stats()).toMatchObject({ state: 'opening', waiting: 1, running: 0 });
  for await (const { status } of execution) statuses.push(`pulled ${status}`);
  await execution.result;
  expect(statuses.filter(each => !each.startsWith('pulled'))).toEqual(['started', 'running', 'completed']);
  expect(statuses.filter(each => each.startsWith('pulled'))).toEqual(['pulled started', 'pulled running', 'pulled completed']);
});

describe('the size', () => {
  test('the least loaded member is given the next execution, up to its concurrency', async () => {
    const { pool } = await openPool({ min: 2, maxConcurrency: 2, queue: 1 });
    const held = Array.from({ length: 4 }, () => hold(pool));
    expect(pool.stats().members.map(({ running }) => running)).toEqual([2, 2]);
    const waits = hold(pool);
    expect(pool.stats()).toMatchObject({ running: 4, waiting: 1 });
    expect(await failureOf(hold(pool).result)).toMatchObject({ code: 'OVERLOADED', poolId: pool.id });
    expect(pool.stats().refused).toBe(1);
    for (const each of [...held, waits]) each.cancel();
    expect(pool.stats().waiting).toBe(0);
  });

  test('a cancelled execution counts until its agent has answered it, or the grace period is over', async () => {
    const { pool } = await openPool({ maxConcurrency: 2 }, { grace: 300_000 });
    const statuses: string[] = [];
    const deaf = [1, 2].map(() => pool.execute({ command: 'deaf' }));
    await Promise.all(deaf.map(each => seen(each.updates$, ({ status }) => status === 'started')));
    for (const each of deaf) each.cancel();
    for (const each of deaf) expect(await failureOf(each.result)).toMatchObject({ code: 'CANCELLED' });
    const waits = hold(pool);
    waits.updates$.subscribe(({ status }) => void statuses.push(status));
    // What the pool counts for itself has ended, what its member works on has not.
    expect(pool.stats()).toMatchObject({ waiting: 1, running: 0, members: [{ running: 2 }] });
    pool.members[0]!.send('end one');
    await until(() => statuses.length === 1);
    expect(pool.stats()).toMatchObject({ waiting: 0, running: 1, members: [{ running: 2 }] });
    pool.members[0]!.send('end the other');
    await until(() => pool.stats().members[0]!.running === 1);
    waits.cancel();
  });

  test('a pool goes on with a member that does not answer a cancel within its grace period, or begins anew', async () => {
    const { pool } = await openPool({}, { grace: 50 });
    for (const end of ['grace', 'exit']) {
      const deaf = pool.execute({ command: 'deaf' });
      await seen(deaf.updates$, ({ status }) => status === 'started');
      deaf.cancel();
      const next = pidOf(pool);
      if (end === 'exit') process.kill(pool.members[0]!.pid!, 'SIGKILL');
      expect(await next).toMatch(/^\d+$/);
    }
  });

  test('a pool grows while executions wait, and shrinks to its least when members were idle for the idle time', async () => {
    const { pool } = await openPool({ min: 1, max: 3, idle: 50 });
    const held = Array.from({ length: 4 }, () => hold(pool));
    await until(() => pool.stats().running === 3);
    expect(pool.stats()).toMatchObject({ waiting: 1 });
    for (const each of held) each.cancel();
    await until(() => pool.members.length === 1);
    expect(await pidOf(pool)).toBe(String(pool.members[0]!.pid));
  });

  test('spares are ready before executions need them', async () => {
    const { pool } = await openPool({ min: 0, max: 3, warm: 1 });
    await until(() => pool.stats().members.length === 1);
    const first = hold(pool);
    expect(pool.stats()).toMatchObject({ running: 1, waiting: 0 });
    await until(() => pool.stats().members.length === 2);
    const second = hold(pool);
    expect(pool.stats()).toMatchObject({ running: 2, waiting: 0 });
    for (const each of [first, second]) each.cancel();
  });

  test('a pool without a least member starts one for the first execution, even where none may wait', async () => {
    const { pool } = await openPool({ min: 0, queue: 0 });
    expect(pool.members).toEqual([]);
    expect(await failureOf(pool.execute({ command: 'pid' }).result)).toMatchObject({ code: 'OVERLOADED' });
    await until(() => pool.members.length === 1);
    expect(await pidOf(pool)).toBe(String(pool.members[0]!.pid));
  });
});

test('a member that has executed enough is replaced: the replacement is ready before the member ends', async () => {
  const { spearlet, pool } = await openPool({ min: 2, recycleAfter: 5 });
  const pids = new Set<string | null>();
  const exits = () => spearlet.events.filter(event => event.type === 'instance.exited');
  while (exits().length < 3) {
    pids.add(await pidOf(pool));
    const { members } = pool.stats();
    expect(members.filter(({ leaving }) => !leaving).length).toBeGreaterThanOrEqual(2);
    // A pool has one program more than its most members, while it replaces one.
    expect(members.length).toBeLessThanOrEqual(3);
  }
  expect(pids.size).toBeGreaterThanOrEqual(3);
  expect(exits()).toMatchObject(Array(3).fill({ report: { reason: 'stopped', code: 0 } }));
  expect(pool.stats().failed).toBe(0);
});

describe('a member that is killed', () => {
  const options = { restart: { intensity: 100, backoff: { min: 1, max: 10 } } };

  test('is replaced, and what it ran has an unknown outcome', async () => {
    const { pool } = await openPool({ min: 1 }, options);
    const execution = hold(pool);
    const waiting = pool.execute({ command: 'pid' });
    const pid = pool.members[0]!.pid!;
    await seen(execution.updates$, ({ status }) => status === 'started');
    process.kill(pid, 'SIGKILL');
    expect(await failureOf(execution.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect((await waiting.result).output).not.toBe(String(pid));
  });

  test('has its execution run again on another member if the caller calls it idempotent', async () => {
    const { pool } = await openPool({ min: 1 }, options);
    const execution = pool.execute({ command: 'hold', args: ['once'] }, { retry: 'idempotent' });
    const statuses: string[] = [];
    execution.updates$.subscribe(({ status }) => statuses.push(status));
    const pulled: string[] = [];
    const read = (async () => {
      for await (const { status } of execution) pulled.push(status);
    })();
    await seen(execution.updates$, ({ status }) => status === 'started');
    process.kill(pool.members[0]!.pid!, 'SIGKILL');
    await until(() => statuses.filter(each => each === 'started').length === 2);
    execution.cancel();
    expect(await failureOf(execution.result)).toMatchObject({ code: 'CANCELLED' });
    expect(await failureOf(read)).toMatchObject({ code: 'CANCELLED' });
    expect(statuses).toEqual(['started', 'started', 'failed']);
    expect(pulled).toEqual(statuses);
    expect(pool.stats()).toMatchObject({ retries: 1, executions: 1, failed: 1 });
  });
});

describe('an execution that waits', () => {
  test('ends with its timeout, which counts the wait', async () => {
    const { pool } = await openPool();
    const held = hold(pool);
    const waits = hold(pool, { timeout: 20 });
    expect(await failureOf(waits.result)).toMatchObject({ code: 'EXECUTION_TIMEOUT', poolId: pool.id, taskId: waits.taskId });
    expect(await failureOf(read(waits))).toMatchObject({ code: 'EXECUTION_TIMEOUT' });
    expect(pool.stats()).toMatchObject({ waiting: 0, running: 1 });
    held.cancel();
  });

  test('is cancelled by its caller and by its signal, while it waits and while it runs', async () => {
    const { pool } = await openPool();
    const aborter = new AbortController();
    const runs = hold(pool, { signal: aborter.signal });
    const waits = hold(pool, { signal: aborter.signal });
    const other = hold(pool);
    const updates = failureOf(read(other));
    other.cancel('enough');
    expect(await failureOf(other.result)).toMatchObject({ code: 'CANCELLED', message: 'the execution was cancelled: enough' });
    expect(await updates).toMatchObject({ code: 'CANCELLED' });
    aborter.abort(new Error('no more'));
    for (const each of [runs, waits])
      expect(await failureOf(each.result)).toMatchObject({ code: 'CANCELLED', cause: { message: 'no more' } });
    await until(() => pool.stats().running === 0);
    expect(pool.stats()).toMatchObject({ waiting: 0, failed: 3 });
  });

  test('shares its task id with a call for the same, and refuses another', async () => {
    const { pool } = await openPool();
    const held = hold(pool);
    const one = pool.execute({ command: 'pid', taskId: 'same' });
    expect(pool.execute({ command: 'pid', taskId: 'same' })).toBe(one);
    expect(await failureOf(pool.execute({ command: 'count', taskId: 'same' }).result)).toMatchObject({ code: 'INVALID_OPTIONS' });
    held.cancel();
    await one.result;
    expect(pool.execute({ command: 'pid', taskId: 'same' })).not.toBe(one);
  });
});

describe('the end of a pool', () => {
  test('a stop with drain finishes what was taken, and takes no more', async () => {
    const { spearlet, pool } = await openPool({ min: 1 });
    const executions = Array.from({ length: 5 }, () => pool.execute({ command: 'pid' }));
    const stopped = pool.stop({ drain: true });
    expect(pool.state).toBe('draining');
    expect(await failureOf(pool.execute({ command: 'pid' }).result)).toMatchObject({ code: 'POOL_STOPPED' });
    await stopped;
    expect(await Promise.all(executions.map(async ({ result }) => (await result).status))).toEqual(Array(5).fill('completed'));
    expect([pool.state, pool.members, spearlet.instances]).toEqual(['stopped', [], []]);
    const states = spearlet.events.flatMap(event => (event.type === 'pool.state' ? event.state : []));
    expect(states).toEqual(['opening', 'open', 'draining', 'stopping', 'stopped']);
  });

  test('a stop without drain refuses what waits, and ends a drain', async () => {
    const { pool } = await openPool({ min: 1 });
    const [runs, waits] = [hold(pool), hold(pool)];
    const drained = pool.stop({ drain: true });
    await pool.stop({ grace: 0 });
    await drained;
    expect(await failureOf(waits.result)).toMatchObject({ code: 'NOT_DELIVERED' });
    expect(await failureOf(runs.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });

  test('`await using` drains it', async () => {
    const spearlet = openSpearlet();
    let execution: ReturnType<Pool['execute']>;
    {
      await using pool = spearlet.pool(pooled);
      execution = pool.execute({ command: 'pid' });
    }
    expect(await execution.result).toMatchObject({ status: 'completed' });
    expect(spearlet.instances).toEqual([]);
  });

  test('a spearlet that stops ends its pools', async () => {
    const { spearlet, pool } = await openPool({ min: 2 });
    const execution = hold(pool);
    await spearlet.stop({ grace: 0 });
    expect(pool.state).toBe('stopped');
    expect(await failureOf(execution.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(() => spearlet.pool(pooled)).toThrow('opens no more pools');
  });

  test('a pool whose first member cannot start has failed, with the reason', async () => {
    const spearlet = openSpearlet();
    const pool = spearlet.pool({ ...everyday, command: './missing' }, { min: 2 });
    const execution = pool.execute({ command: 'pid' });
    expect(await failureOf(pool.ready)).toMatchObject({ code: 'SPAWN_FAILED' });
    expect(await failureOf(execution.result)).toMatchObject({ code: 'NOT_DELIVERED', cause: { code: 'SPAWN_FAILED' } });
    await until(() => pool.state === 'stopped');
    expect(await failureOf(pool.execute({ command: 'pid' }).result)).toMatchObject({
      code: 'POOL_STOPPED',
      cause: { code: 'SPAWN_FAILED' },
    });
  });

  test('a pool whose members fail too often is given up when none is left', async () => {
    const { spearlet, pool } = await openPool({ min: 1 }, { restart: { intensity: 1, backoff: { min: 1, max: 1 } } });
    for (let n = 0; n < 2; n += 1) {
      await until(() => pool.members.length === 1);
      process.kill(pool.members[0]!.pid!, 'SIGKILL');
      await until(() => pool.members.length === 0);
    }
    await until(() => pool.state === 'stopped');
    expect(spearlet.events.filter(({ type }) => type === 'pool.givenUp')).toMatchObject([{ poolId: pool.id, code: 'RESTART_LIMIT' }]);
    expect(await failureOf(pool.execute({ command: 'pid' }).result)).toMatchObject({
      code: 'POOL_STOPPED',
      cause: { code: 'RESTART_LIMIT' },
    });
  });
});

test('an explanation says what the pool waits for, and how it came there', async () => {
  const { pool } = await openPool({ min: 1, max: 2, idle: 60_000 });
  const held = [hold(pool), hold(pool)];
  await until(() => pool.stats().running === 2);
  const explanation = pool.explain();
  expect(explanation).toMatchObject({
    poolId: pool.id,
    state: 'open',
    states: [{ state: 'running.members.grown' }, { state: 'running.intake.accepting' }],
    waits: [{ timeout: 'idleTime' }],
    running: 2,
  });
  expect(String(explanation)).toContain(`member ${pool.members[0]!.id} is executing: runs 1`);
  for (const each of held) each.cancel();
  await pool.stop();
  expect(pool.explain()).toMatchObject({ state: 'stopped', members: [], waits: [] });
});

test('wait and run times of executions are counted', async () => {
  const { pool } = await openPool();
  await Promise.all(Array.from({ length: 10 }, () => pool.execute({ command: 'count', args: ['1'] }).result));
  const { waitTime, runTime } = pool.stats();
  expect([waitTime.count, runTime.count]).toEqual([10, 10]);
  expect(waitTime.max).toBeGreaterThan(waitTime.p50 - 1);
  expect(runTime.mean).toBeGreaterThan(0);
});

test('options that make no sense are refused by name', async () => {
  const spearlet = openSpearlet({ maxInFlight: 4 });
  expect(() => spearlet.pool(pooled, { min: 3, max: 2 })).toThrow('`min` must not be above `max`');
  expect(() => spearlet.pool(pooled, { max: 2, warm: 3 })).toThrow('`warm` must not be above `max`');
  expect(() => spearlet.pool(pooled, { maxConcurrency: 5 })).toThrow('maxInFlight');
  expect(() => spearlet.pool(pooled, { que: 5 } as never)).toThrow("did you mean 'queue'");
  const pool = spearlet.pool(pooled);
  expect(await failureOf(pool.execute({ command: 'pid' }, { retry: 'always' } as never).result)).toMatchObject({ code: 'INVALID_OPTIONS' });
});

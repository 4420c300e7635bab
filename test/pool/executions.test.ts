// What a pool does with an execution whose run has failed: it runs again as `retry` says, or rejects. The members are simulated.
import { describe, expect, test } from 'vitest';
import { type ErrorCode, SpearletError } from '../../src/errors.ts';
import { createDispatcher } from '../../src/pool/dispatcher.ts';
import { createPoolExecutions } from '../../src/pool/executions.ts';
import type { Member, Members } from '../../src/pool/members.ts';
import { createDeadlines } from '../../src/world/deadlines.ts';
import { handClock } from '../world/clock.ts';

/** A pool with one member, whose runs end with these codes, one after the other; null: completed. */
function openWork(codes: (ErrorCode | null)[], queue = 10) {
  const clock = handClock();
  const dispatcher = createDispatcher<Member>(1, () => true);
  const run = () => {
    const code = codes.shift();
    const ended =
      code === undefined
        ? new Promise(() => {})
        : code === null
          ? Promise.resolve({ status: 'completed', output: 'done' })
          : Promise.reject(new SpearletError(code, code));
    return { result: ended, cancel() {}, expire() {} };
  };
  const member = {
    load: 0,
    offered: false,
    index: -1,
    record: { requests: { executeParsed: run, working: () => null } },
  } as never as Member;
  const members = { dispatcher, given() {}, freed: dispatcher.release, loadRose() {} } as never as Members;
  const work = createPoolExecutions({
    ...{ poolId: 'p', artifactId: 'a', timeout: undefined, queue, maxQueuedBytes: 1_000, deadlines: createDeadlines(clock) },
    ...{ members: () => members, ended() {}, subscriberThrew() {} },
  });
  dispatcher.offer(member);
  const outcome = (retry?: 'never' | 'undelivered' | 'idempotent') =>
    work.execute({ command: 'c' }, retry && { retry }).result.then(
      ({ output }) => output,
      (error: SpearletError) => error.code,
    );
  return { work, outcome, clock };
}

describe('an execution that was not delivered', () => {
  test('runs again by default, however often that happens', async () => {
    const { work, outcome } = openWork([...Array(20).fill('NOT_DELIVERED'), null]);
    expect(await outcome()).toBe('done');
    expect(work.counts).toEqual({ executions: 1, completed: 1, failed: 0, refused: 0, retries: 20 });
  });

  test('rejects with `retry: never`', async () => {
    const { work, outcome } = openWork(['NOT_DELIVERED', null]);
    expect(await outcome('never')).toBe('NOT_DELIVERED');
    expect(work.counts).toMatchObject({ failed: 1, retries: 0 });
  });

  test('comes before those that have waited meanwhile', async () => {
    const { outcome } = openWork(['NOT_DELIVERED', 'EXECUTION_FAILED', null]);
    expect(await Promise.all([outcome(), outcome()])).toEqual(['EXECUTION_FAILED', 'done']);
  });

  test('rejects once the pool has ended', async () => {
    const { work, outcome } = openWork(['NOT_DELIVERED', null]);
    const rejected = outcome();
    work.close(null);
    work.end();
    expect(await rejected).toBe('NOT_DELIVERED');
  });
});

test('an execution that waits is cancelled, and counted as failed, once', async () => {
  const { work, outcome } = openWork([]);
  void outcome();
  const waiting = work.execute({ command: 'c' });
  waiting.cancel();
  waiting.cancel();
  await expect(waiting.result).rejects.toMatchObject({ code: 'CANCELLED' });
  expect([work.counts.failed, work.waiting, work.running]).toEqual([1, 0, 1]);
});

test('an execution with an unknown outcome runs again only if its caller calls it idempotent, three times at most', async () => {
  const unknown = (): ErrorCode[] => Array(5).fill('OUTCOME_UNKNOWN');
  expect(await openWork(unknown()).outcome()).toBe('OUTCOME_UNKNOWN');
  const { work, outcome } = openWork(unknown());
  expect(await outcome('idempotent')).toBe('OUTCOME_UNKNOWN');
  expect(work.counts.retries).toBe(2);
  expect(await openWork(['OUTCOME_UNKNOWN', null]).outcome('idempotent')).toBe('done');
});

test.each<ErrorCode>(['EXECUTION_FAILED', 'EXECUTION_TIMEOUT', 'CANCELLED', 'OVERLOADED', 'FRAME_TOO_LARGE'])(
  'an execution that has ended with %s is never run again',
  async code => {
    expect(await openWork([code, null]).outcome('idempotent')).toBe(code);
  },
);

test('executions that wait are bound by their number and by their size', async () => {
  const { work, outcome } = openWork([], 2);
  void outcome();
  void work.execute({ command: 'c', args: ['x'.repeat(900)] });
  expect(await work.execute({ command: 'c', args: ['x'.repeat(900)] }).result.catch(({ message }) => message)).toContain(
    'maxQueuedBytes (1000)',
  );
  void outcome();
  expect(await outcome()).toBe('OVERLOADED');
  expect(work.counts).toMatchObject({ executions: 3, refused: 2 });
});

test('the timeout of an execution that waits counts from the call', async () => {
  const { work, outcome, clock } = openWork([]);
  void outcome();
  const waits = work.execute({ command: 'c' }, { timeout: 50 }).result.catch(({ code }) => code);
  clock.pass(49);
  expect(work.waiting).toBe(1);
  clock.pass(1);
  expect([await waits, work.waiting]).toEqual(['EXECUTION_TIMEOUT', 0]);
});

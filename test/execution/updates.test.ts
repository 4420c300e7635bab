// The updates of one execution without any socket: each reader gets them in order, and what it has missed is told to that
// reader, to the byte.
import { describe, expect, test } from 'vitest';
import type { OutputData } from '../../src/execution/collected.ts';
import type { ExecutionUpdate } from '../../src/execution/update.ts';
import { createUpdates } from '../../src/execution/updates.ts';

const BOUNDS = { kept: 1_000, slow: 4_000 };

function open(bounds = BOUNDS) {
  const throttled: boolean[] = [];
  const taken: number[] = [];
  const updates = createUpdates('task', bounds, { throttle: on => void throttled.push(on), taken: bytes => void taken.push(bytes) });
  let written = 0;
  return {
    ...updates,
    throttled,
    taken,
    start: () => updates.push({ taskId: 'task', status: 'started' }, 0),
    write(length: number) {
      const output = String.fromCharCode(97 + (written % 26)).repeat(length);
      written += length;
      updates.push({ taskId: 'task', status: 'running', output }, length);
    },
    complete() {
      updates.push({ taskId: 'task', status: 'completed' }, 0);
      updates.end();
    },
    get written() {
      return written;
    },
  };
}

type Opened = ReturnType<typeof open>;

/** All that a subscriber gets, as long as it is subscribed. */
function subscribe({ updates$ }: Opened) {
  const seen: ExecutionUpdate<OutputData>[] = [];
  const subscription = updates$.subscribe(update => seen.push(update));
  return { seen, leave: () => subscription.unsubscribe() };
}

async function drain({ iterate }: Opened): Promise<ExecutionUpdate<OutputData>[]> {
  const seen: ExecutionUpdate<OutputData>[] = [];
  for await (const update of { [Symbol.asyncIterator]: iterate }) seen.push(update);
  return seen;
}

/** Checks that output and gaps follow each other without a hole, and returns how many bytes they cover. */
function covered(seen: readonly ExecutionUpdate<OutputData>[]): number {
  let at = 0;
  for (const { status, output, gap } of seen) {
    if (status !== 'running') continue;
    if (gap !== undefined) {
      expect(gap.from).toBe(at);
      expect(gap.to).toBeGreaterThan(at);
      expect(output).toBeUndefined();
      at = gap.to;
    } else at += output!.length;
  }
  return at;
}
const missed = (seen: readonly ExecutionUpdate<OutputData>[]): number =>
  seen.reduce((sum, { gap }) => sum + (gap === undefined ? 0 : gap.to - gap.from), 0);
const statuses = (seen: readonly ExecutionUpdate<OutputData>[]): string => seen.map(({ status }) => status[0]).join('');

describe('a reader that comes after another has left', () => {
  test('gets what is kept, from the first byte', async () => {
    const opened = open();
    opened.start();
    for (let n = 0; n < 5; n += 1) opened.write(10);
    const first = opened.iterate();
    expect((await first.next()).value?.status).toBe('started');
    await first.return?.();
    opened.complete();
    const second = await drain(opened);
    expect(statuses(second)).toBe('srrrrrc');
    expect(covered(second)).toBe(50);
  });

  test('is told of the bytes that are not kept any more', async () => {
    const opened = open();
    opened.start();
    const first = subscribe(opened);
    for (let n = 0; n < 50; n += 1) opened.write(100);
    first.leave();
    expect(missed(first.seen)).toBe(0);
    for (let n = 0; n < 50; n += 1) opened.write(100);
    opened.complete();
    const second = await drain(opened);
    expect(covered(second)).toBe(10_000);
    expect(missed(second)).toBeGreaterThanOrEqual(9_000);
  });
});

describe('a reader that comes late', () => {
  test('by a single update that is larger than the bound is told of it before anything else comes', () => {
    const opened = open();
    opened.start();
    opened.write(2_000);
    const { seen, leave } = subscribe(opened);
    expect(seen).toEqual([
      { taskId: 'task', status: 'started' },
      { taskId: 'task', status: 'running', gap: { from: 0, to: 2_000 } },
    ]);
    leave();
  });

  test('is told of every byte, also where another has come late before it', async () => {
    const opened = open();
    opened.start();
    for (let n = 0; n < 89; n += 1) opened.write(1_000);
    for (const seen of [subscribe(opened).seen, subscribe(opened).seen]) {
      expect(covered(seen)).toBe(89_000);
      expect(missed(seen)).toBeGreaterThan(87_000);
    }
    opened.complete();
    expect(covered(await drain(opened))).toBe(89_000);
    expect(covered(subscribe(opened).seen)).toBe(89_000);
  });

  test('midway, while another reads, is told of what it has missed and then gets the same', () => {
    const opened = open();
    opened.start();
    const early = subscribe(opened);
    for (let n = 0; n < 30; n += 1) opened.write(100);
    const midway = subscribe(opened);
    for (let n = 0; n < 30; n += 1) opened.write(100);
    opened.complete();
    expect(missed(early.seen)).toBe(0);
    for (const { seen } of [early, midway]) {
      expect(covered(seen)).toBe(6_000);
      expect(statuses(seen)).toMatch(/^sr+c$/);
    }
    expect(missed(midway.seen)).toBeGreaterThan(0);
  });

  test('to updates without output misses nothing that could be told, and nothing grows', () => {
    const opened = open();
    opened.start();
    for (let n = 0; n < 10_000; n += 1) opened.write(0);
    opened.complete();
    const { seen } = subscribe(opened);
    expect(seen.length).toBeLessThan(20);
    expect(missed(seen)).toBe(0);
    expect(statuses(seen)).toMatch(/^sr+c$/);
  });
});

describe('output that never arrived', () => {
  test('is a gap at its place for every reader, those that come later too', async () => {
    const opened = open();
    opened.start();
    const early = subscribe(opened);
    const pulling = opened.iterate();
    opened.write(10);
    opened.lose(25);
    opened.write(10);
    opened.complete();
    const expected = [{ from: 10, to: 35 }];
    const pulled: ExecutionUpdate<OutputData>[] = [];
    for (let next = await pulling.next(); !next.done; next = await pulling.next()) pulled.push(next.value);
    for (const seen of [early.seen, pulled, subscribe(opened).seen, await drain(opened)]) {
      expect(seen.flatMap(({ gap }) => gap ?? [])).toEqual(expected);
      expect(covered(seen)).toBe(45);
    }
  });
});

describe('readers at once', () => {
  test('one that cancels in the midst of an update: another gets that update, then the terminal one, and nothing after it', () => {
    const opened = open();
    opened.start();
    const subscription = opened.updates$.subscribe(update => {
      if (update.status === 'running') opened.complete();
    });
    const second = subscribe(opened);
    opened.write(10);
    expect(statuses(second.seen)).toBe('src');
    subscription.unsubscribe();
  });

  test('one that cancels in the midst of a flood does not leave the source held back', async () => {
    const opened = open();
    opened.start();
    opened.updates$.subscribe(update => {
      if (update.output?.length === 5_000) opened.complete();
    });
    const pulling = opened.iterate();
    opened.write(5_000);
    expect(opened.throttled.filter(on => on).length).toBe(opened.throttled.filter(on => !on).length);
    const seen: ExecutionUpdate<OutputData>[] = [];
    for (let next = await pulling.next(); !next.done; next = await pulling.next()) seen.push(next.value);
    expect(statuses(seen)).toBe('src');
    expect(covered(seen)).toBe(5_000);
  });

  test('one that leaves within an update gets no other, and the rest get all', () => {
    const opened = open();
    opened.start();
    const seen: ExecutionUpdate<OutputData>[] = [];
    const subscription = opened.updates$.subscribe(update => {
      seen.push(update);
      if (update.status === 'running') queueMicrotask(() => subscription.unsubscribe());
      if (update.status === 'running') subscription.unsubscribe();
    });
    const other = subscribe(opened);
    opened.write(10);
    opened.write(10);
    opened.complete();
    expect(statuses(seen)).toBe('sr');
    expect(statuses(other.seen)).toBe('srrc');
  });

  test('a slow one holds the source back and lets go of it when it has caught up, has left, or all has ended', async () => {
    for (const how of ['caught up', 'left', 'ended']) {
      const opened = open();
      opened.start();
      const slow = opened.iterate();
      const other = opened.iterate();
      for (let n = 0; n < 50; n += 1) opened.write(100);
      expect(opened.throttled).toEqual([true]);
      for (let n = 0; n < 51; n += 1) await other.next();
      expect(opened.throttled).toEqual([true]);
      if (how === 'caught up') for (let n = 0; n < 51; n += 1) expect((await slow.next()).value?.gap).toBeUndefined();
      else if (how === 'left') await slow.return?.();
      else opened.complete();
      expect(opened.throttled).toEqual([true, false]);
    }
  });

  test('a thousand readers of a thousand updates cost what they read', async () => {
    const opened = open({ kept: 100_000_000, slow: 100_000_000 });
    const pulling = Array.from({ length: 100 }, () => opened.iterate());
    for (let n = 0; n < 10_000; n += 1) opened.write(1);
    opened.complete();
    for (const each of pulling) {
      let count = 0;
      for (let next = await each.next(); !next.done; next = await each.next()) count += 1;
      expect(count).toBe(10_001);
    }
  });
});

test('a pulling reader throws the failure once, after the last update, and several that wait are all answered', async () => {
  const opened = open();
  const iterator = opened.iterate();
  const waiting = [iterator.next(), iterator.next(), iterator.next()];
  opened.push({ taskId: 'task', status: 'failed', error: 'x' }, 0);
  opened.end(new Error('x'));
  const settled = await Promise.allSettled(waiting);
  expect(settled.map(each => (each.status === 'fulfilled' ? (each.value.value?.status ?? 'done') : 'thrown'))).toEqual([
    'failed',
    'thrown',
    'done',
  ]);
  expect(await iterator.next()).toEqual({ value: undefined, done: true });
});

describe('what readers have taken', () => {
  const total = (opened: Opened): number => opened.taken.reduce((sum, bytes) => sum + bytes, 0);

  test('is all that has come, as long as nobody iterates', () => {
    const opened = open();
    const { leave } = subscribe(opened);
    opened.write(100);
    expect(total(opened)).toBe(100);
    leave();
    opened.write(50);
    expect(total(opened)).toBe(150);
  });

  test('is what the slowest iterator has taken, and all once that one leaves', async () => {
    const opened = open();
    const [fast, slow] = [opened.iterate(), opened.iterate()];
    for (let n = 0; n < 3; n += 1) opened.write(100);
    for (let n = 0; n < 3; n += 1) await fast.next();
    expect(total(opened)).toBe(0);
    await slow.next();
    expect(total(opened)).toBe(100);
    await slow.return?.();
    expect(total(opened)).toBe(300);
  });

  test('includes what was lost, once the iterator has been told', async () => {
    const opened = open();
    const reader = opened.iterate();
    opened.write(100);
    opened.lose(40);
    opened.write(10);
    for (let n = 0; n < 2; n += 1) await reader.next();
    expect(total(opened)).toBe(100);
    await reader.next();
    expect(total(opened)).toBe(150);
  });
});

// Subscribers of what an instance and a spearlet show, as users write them: they throw, come late, and subscribe anew inside.
import { EMPTY, firstValueFrom, from, type Observable, Subject } from 'rxjs';
import { finalize, map, share, take, tap, toArray } from 'rxjs/operators';
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../src/index.ts';
import { isolated } from '../../src/observe/isolated.ts';
import { atEnd } from '../census/census.ts';
import { everyday, openSpearlet, seen, type TestSpearlet, until } from './world.ts';

/** What Node would end a host for. */
function fatal(): unknown[] {
  const errors: unknown[] = [];
  const listeners = {
    uncaughtException: process.rawListeners('uncaughtException'),
    unhandledRejection: process.rawListeners('unhandledRejection'),
  };
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.removeAllListeners(event);
    process.on(event, error => void errors.push(error));
    atEnd(() => {
      process.removeAllListeners(event);
      for (const listener of listeners[event]) process.on(event, listener as never);
    });
  }
  return errors;
}

/** RxJS throws what it has caught in a timer of its own, Node tells of a rejection when its jobs are done. */
const settled = (): Promise<void> => new Promise(resolve => setTimeout(() => setTimeout(resolve)));

const streams: [string, (spearlet: TestSpearlet, instance: Instance) => Observable<unknown>][] = [
  ['events$', spearlet => spearlet.events$],
  ['state$', (_, instance) => instance.state$],
  ['output$', (_, instance) => instance.output$],
];

describe.each(streams)('a subscriber of %s that throws', (_, streamOf) => {
  test('is logged and called again, and harms neither the stream nor other subscribers', async () => {
    const errors = fatal();
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const stream$ = streamOf(spearlet, instance);
    const calls = { function: 0, observer: 0, rejecting: 0 };
    const others: unknown[] = [];
    let completed = false;
    stream$.subscribe(() => {
      calls.function += 1;
      throw new Error('the function is broken');
    });
    stream$.subscribe({
      next() {
        calls.observer += 1;
        throw new Error('the observer is broken');
      },
      complete() {
        throw new Error('its complete is broken');
      },
    });
    stream$.subscribe(async () => {
      calls.rejecting += 1;
      throw new Error('the async function is broken');
    });
    stream$.subscribe({ next: value => others.push(value), complete: () => (completed = true) });
    await instance.execute({ command: 'print', args: ['one'] }).result.catch(() => {});
    await instance.stop();
    await spearlet.stop();
    await until(() => completed);
    await settled();
    expect(errors).toEqual([]);
    expect(others.length).toBeGreaterThan(0);
    expect(calls).toEqual({ function: others.length, observer: others.length, rejecting: others.length });
    for (const told of ['function is broken', 'observer is broken', 'its complete is broken', 'async function is broken'])
      expect(spearlet.log.find(line => line.includes(told))).toContain('"level":"error"');
  });
});

test('an operator that throws ends its own chain, and is logged where nobody handles it', async () => {
  const errors = fatal();
  const reports: unknown[] = [];
  const source = new Subject<number>();
  const safe$ = isolated(source, error => reports.push(error));
  const broken = () => {
    throw new Error('broken');
  };
  const handled: unknown[] = [];
  const all: number[] = [];
  safe$.pipe(map(broken)).subscribe();
  safe$.pipe(tap(broken), share()).subscribe();
  safe$.pipe(map(broken)).subscribe({ error: error => handled.push(error) });
  safe$.pipe(map(broken)).subscribe({
    error() {
      throw new Error('the error handler is broken, too');
    },
  });
  safe$.pipe(map(each => each + 1)).subscribe(broken);
  safe$.pipe(finalize(broken)).subscribe();
  safe$.pipe(take(1), finalize(broken)).subscribe(broken);
  safe$.subscribe(each => all.push(each));
  const first = firstValueFrom(safe$);
  const list = firstValueFrom(from(safe$).pipe(take(2), toArray()));
  for (const each of [1, 2, 3]) source.next(each);
  source.complete();
  expect([all, await first, await list]).toEqual([[1, 2, 3], 1, [1, 2]]);
  await settled();
  expect(errors).toEqual([]);
  expect(handled).toMatchObject([{ message: 'broken' }]);
  expect(reports.length).toBeGreaterThanOrEqual(7);
});

test('an isolated observable behaves as the one it isolates', async () => {
  const unexpected = (error: unknown) => {
    throw error;
  };
  const source = new Subject<number>();
  const safe$ = isolated(source, unexpected);
  const seenBy: [string, number | string][] = [];
  const observer = {
    name: 'an object',
    next(value: number) {
      seenBy.push([this.name, value]);
    },
    complete() {
      seenBy.push([this.name, 'complete']);
    },
  };
  const subscription = safe$.subscribe(observer);
  const other = safe$.subscribe(value => seenBy.push(['function', value]));
  source.next(1);
  other.unsubscribe();
  expect(source.observed).toBe(true);
  source.next(2);
  source.complete();
  expect(subscription.closed).toBe(true);
  expect(seenBy).toEqual([
    ['an object', 1],
    ['function', 1],
    ['an object', 2],
    ['an object', 'complete'],
  ]);
  expect(await firstValueFrom(isolated(EMPTY, unexpected), { defaultValue: 'none' })).toBe('none');
  isolated(new Subject(), unexpected).pipe(take(1)).subscribe().unsubscribe();
});

test('state$ emits `stopped` to a late subscriber, and completes', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  await instance.stop();
  await until(() => spearlet.get(instance.id) === undefined);
  const states: string[] = [];
  let completed = false;
  instance.state$.subscribe({ next: state => states.push(state), complete: () => (completed = true) });
  expect(states).toEqual(['stopped']);
  expect(completed).toBe(true);
});

test('a subscriber of output$ that is added inside another one gets each chunk once', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  let text = '';
  let added = false;
  instance.output$.subscribe(() => {
    if (added) return;
    added = true;
    instance.output$.subscribe(chunk => (text += chunk.text));
  });
  const print = (word: string) => instance.execute({ command: 'print', args: [word] }).result;
  await print('one ');
  await seen(instance.output$, () => text.includes('one '));
  await print('two ');
  await until(() => text.includes('two '));
  expect(text.match(/one/g)).toHaveLength(1);
  expect(text.match(/two/g)).toHaveLength(1);
});

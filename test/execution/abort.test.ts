// Many callbacks on one AbortSignal: one listener, each called once, and none left behind.
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { onAbort } from '../../src/execution/abort.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('all callbacks are called once, with one listener for all of them', () => {
  const aborter = new AbortController();
  const seen: string[] = [];
  for (const name of ['a', 'b', 'c']) onAbort(aborter.signal, () => void seen.push(name));
  expect(listeners(aborter.signal)).toBe(1);
  aborter.abort();
  aborter.abort();
  expect([seen, listeners(aborter.signal)]).toEqual([['a', 'b', 'c'], 0]);
});

test('the listener stays while a callback waits, and is removed with the last one', () => {
  const aborter = new AbortController();
  const seen: string[] = [];
  const called = () => void seen.push('called');
  // The same function twice is two who wait.
  const [first, second] = [onAbort(aborter.signal, called), onAbort(aborter.signal, called)];
  first();
  first();
  expect(listeners(aborter.signal)).toBe(1);
  second();
  expect(listeners(aborter.signal)).toBe(0);
  onAbort(aborter.signal, called);
  first();
  expect(listeners(aborter.signal)).toBe(1);
  aborter.abort();
  expect(seen).toEqual(['called']);
});

test('removing a callback after its call is no error', () => {
  const aborter = new AbortController();
  const stop = onAbort(aborter.signal, () => {});
  aborter.abort();
  expect(stop).not.toThrow();
});

// The queue of a pool: order, bounds that are counted, and leaving from the middle.
import { expect, test } from 'vitest';
import { createQueue, type Queued } from '../../src/pool/queue.ts';

interface Item extends Queued {
  readonly name: string;
}
const item = (name: string, size = 1): Item => ({ name, size, next: null, previous: null, isQueued: false });

test('executions are taken in the order in which they came', () => {
  const queue = createQueue<Item>();
  for (const name of ['a', 'b', 'c']) queue.add(item(name), false);
  expect([queue.take(), queue.take(), queue.take(), queue.take()].map(each => each?.name)).toEqual(['a', 'b', 'c', undefined]);
});

test('an execution that is retried is taken before those that wait', () => {
  const queue = createQueue<Item>();
  queue.add(item('a'), false);
  queue.add(item('again'), true);
  queue.add(item('b'), false);
  expect([queue.take(), queue.take(), queue.take()].map(each => each?.name)).toEqual(['again', 'a', 'b']);
});

test('an execution leaves from the front, the middle and the end, once', () => {
  const queue = createQueue<Item>();
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map(name => item(name, 10)) as [Item, Item, Item, Item, Item];
  for (const each of [a, b, c, d, e]) queue.add(each, false);
  for (const each of [a, c, e, c]) queue.remove(each);
  expect([queue.length, queue.size]).toEqual([2, 20]);
  expect([queue.take(), queue.take(), queue.take()]).toEqual([b, d, null]);
  expect([queue.length, queue.size]).toEqual([0, 0]);
  queue.add(c, false);
  expect(queue.take()).toBe(c);
});

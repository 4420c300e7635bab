// The window of an execution on wire v2: what the agent may send before a reader has taken it, and how it grows.
import { expect, test } from 'vitest';
import { createRunningOutput } from '../../src/execution/running-output.ts';
import { bounds } from '../../src/limits.ts';

const KIB = 1_024;

function open(lendable = 0) {
  let [granted, lent] = [0, 0];
  const output = createRunningOutput(
    't',
    { collect: false, encoding: 'utf8' },
    {
      throttle() {},
      grant: bytes => void (granted += bytes),
      lend(bytes) {
        if (lent + bytes > lendable) return false;
        lent += bytes;
        return true;
      },
    },
  );
  return {
    output,
    send: (bytes: number) => output.add(Buffer.alloc(bytes, 'x'), undefined),
    get granted() {
      return granted;
    },
    get lent() {
      return lent;
    },
  };
}

test('without an iterator output is taken at once, and the window grows as far as the instance lends', () => {
  const opened = open(3 * bounds.window);
  for (let sent = 0; sent < 2 ** 20; sent += KIB) opened.send(KIB);
  expect(opened.lent).toBe(3 * bounds.window);
  expect(opened.granted).toBeGreaterThan(2 ** 20 + 2 * bounds.window);
  expect(opened.granted).toBeLessThanOrEqual(2 ** 20 + 3 * bounds.window);
});

test('it grows to its largest size and no further', () => {
  const opened = open(Number.POSITIVE_INFINITY);
  for (let sent = 0; sent < 8 * 2 ** 20; sent += 16 * KIB) opened.send(16 * KIB);
  expect(opened.lent + bounds.window).toBe(bounds.largestWindow);
});

test('an iterator that takes nothing grants nothing, and output without credit is a fault of the agent', async () => {
  const opened = open(Number.POSITIVE_INFINITY);
  const reader = opened.output.updates.iterate();
  for (let sent = 0; sent < bounds.window; sent += KIB) opened.send(KIB);
  expect(opened.granted).toBe(0);
  expect(opened.output.isHeldBack).toBe(true);
  expect(() => opened.send(1)).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  opened.send(0);
  for (let taken = 0; taken < bounds.window / 2; taken += KIB) await reader.next();
  expect(opened.granted).toBe(bounds.window / 2);
  expect(opened.output.isHeldBack).toBe(false);
});

test('the window does not grow for an iterator that never takes all there is', async () => {
  const opened = open(Number.POSITIVE_INFINITY);
  const reader = opened.output.updates.iterate();
  opened.send(KIB);
  for (let n = 0; n < 500; n += 1) {
    opened.send(KIB);
    await reader.next();
  }
  expect(opened.lent).toBe(0);
  await reader.next();
  expect(opened.lent).toBe(bounds.window);
});

test('output that is no UTF-8 is granted as it was on the wire, and not as the longer text that readers get', async () => {
  const opened = open();
  const reader = opened.output.updates.iterate();
  const bytes = Buffer.alloc(bounds.window / 2, 0xff);
  opened.output.add(bytes, undefined);
  await reader.next();
  expect(opened.granted).toBe(bytes.length);
});

test('what was lent is given back at the end, and readers that take the rest afterwards lend and grant nothing', async () => {
  const opened = open(Number.POSITIVE_INFINITY);
  opened.send(bounds.window);
  expect(opened.lent).toBe(bounds.window);
  const reader = opened.output.updates.iterate();
  opened.send(bounds.window);
  const { granted } = opened;
  opened.output.close();
  expect(opened.lent).toBe(0);
  await reader.next();
  await reader.return?.();
  expect([opened.lent, opened.granted]).toEqual([0, granted]);
});

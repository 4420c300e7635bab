// Frames on their way out: in order, one write a turn, and taken back in no time as long as they were not written.
import { expect, test } from 'vitest';
import { SendQueue } from '../../src/connection/send-queue.ts';
import type { MessageOwner } from '../../src/connection/slots.ts';
import { Pieces } from '../../src/protocol/pieces.ts';
import type { ByteStream } from '../../src/transport/stream.ts';

function open() {
  const writes: string[][] = [];
  const wire = {
    free: true,
    write(frames: readonly Buffer[]) {
      writes.push(frames.map(String));
      return wire.free;
    },
    pending: 0,
  };
  const outbox = new SendQueue();
  outbox.attach(wire as never as ByteStream);
  const sent = {
    get frames() {
      return outbox.messages;
    },
    get bytes() {
      return outbox.sentBytes;
    },
  };
  return { outbox, wire, writes, sent };
}
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
const sender = (): MessageOwner & { told: number } => {
  const mine = { told: 0, written: () => void (mine.told += 1) };
  return mine;
};

test('frames of one turn are one write, in order, and their senders are told', async () => {
  const { outbox, writes, sent } = open();
  const mine = sender();
  outbox.add(Buffer.from('a'), mine);
  await Promise.resolve();
  outbox.add(Buffer.from('b'), null);
  await turn();
  outbox.add(Buffer.from('c'), mine);
  await turn();
  expect(writes).toEqual([['a', 'b'], ['c']]);
  expect(mine.told).toBe(2);
  expect([sent.frames, sent.bytes]).toEqual([3, 3]);
});

test('a frame is taken back until it is written, and neither told nor counted', async () => {
  const { outbox, writes, sent } = open();
  const senders = [sender(), sender(), sender()];
  for (const [index, each] of senders.entries()) outbox.add(Buffer.from(String(index)), each);
  expect(outbox.remove(senders[1]!)).toBe('unsent');
  expect(outbox.remove(senders[1]!)).toBe('no');
  expect(outbox.pending).toBe(2);
  await turn();
  expect(writes).toEqual([['0', '2']]);
  expect(senders.map(each => each.told)).toEqual([1, 0, 1]);
  expect(outbox.remove(senders[0]!)).toBe('no');
  expect([sent.frames, sent.bytes]).toEqual([2, 2]);
});

test('where all of a turn was taken back nothing is written', async () => {
  const { outbox, writes } = open();
  const mine = sender();
  outbox.add(Buffer.from('a'), mine);
  outbox.remove(mine);
  await turn();
  expect(writes).toEqual([]);
  outbox.add(Buffer.from('b'), mine);
  await turn();
  expect(writes).toEqual([['b']]);
});

test('while the system is full frames wait, and those of a hundred thousand that were taken back take no room', async () => {
  const { outbox, wire, writes } = open();
  wire.free = false;
  outbox.add(Buffer.from('first'), null);
  await turn();
  const kept: MessageOwner[] = [];
  // With the square of them it would take minutes.
  const all = Array.from({ length: 100_000 }, (_, n) => {
    const mine = sender();
    outbox.add(Buffer.from(String(n)), mine);
    if (n % 10_000 === 0) kept.push(mine);
    return mine;
  });
  for (const each of all) if (!kept.includes(each)) expect(outbox.remove(each)).toBe('unsent');
  expect(writes.length).toBe(1);
  wire.free = true;
  outbox.drained();
  expect(writes[1]).toEqual(['0', '10000', '20000', '30000', '40000', '50000', '60000', '70000', '80000', '90000']);
});

test('a turn without frames writes nothing', () => {
  const { outbox, writes, sent } = open();
  outbox.flush();
  outbox.drained();
  expect([writes, sent.frames, sent.bytes]).toEqual([[], 0, 0]);
});

test('while the system is full nothing is written, also when asked; what it holds counts as pending', async () => {
  const { outbox, wire, writes } = open();
  wire.free = false;
  outbox.add(Buffer.from('a'), null);
  await turn();
  wire.pending = 10;
  outbox.add(Buffer.from('bc'), null);
  outbox.flush();
  expect([writes, outbox.pending]).toEqual([[['a']], 12]);
  wire.free = true;
  outbox.drained();
  outbox.add(Buffer.from('d'), null);
  await turn();
  expect(writes).toEqual([['a'], ['bc'], ['d']]);
});

test('once it is closed nothing waits, and nothing is written any more', async () => {
  const { outbox, writes } = open();
  outbox.add(Buffer.from('a'), null);
  outbox.close();
  expect(outbox.pending).toBe(0);
  outbox.add(Buffer.from('b'), null);
  expect(outbox.pending).toBe(0);
  outbox.flush();
  await turn();
  outbox.drained();
  expect(writes).toEqual([]);
});

const KIB = 1_024;
/** A large body whose pieces are written as `<name 64`, the last one as `name>`. */
const body = (name: string, kib: number): Pieces =>
  new Pieces(Buffer.alloc(kib * KIB), (length, isLast) => Buffer.from(isLast ? `${name}>` : `<${name} ${length / KIB}`));
const headers = (writes: readonly string[][]): string[][] => writes.map(each => each.filter(frame => !frame.startsWith('\0')));

test('small messages go between the pieces of a large one, and control messages before all that wait', async () => {
  const { outbox, wire, writes, sent } = open();
  wire.free = false;
  const large = sender();
  outbox.add(body('a', 1_000), large);
  outbox.add(Buffer.from('small'), null);
  await turn();
  outbox.add(body('b', 100), null);
  outbox.add(Buffer.from('later'), null);
  outbox.addUrgent(Buffer.from('urgent'));
  outbox.drained();
  expect([headers(writes), large.told]).toEqual([
    [
      ['small', '<a 512'],
      ['urgent', 'later', '<a 64', 'b>'],
    ],
    0,
  ]);
  wire.free = true;
  outbox.drained();
  expect([headers(writes).at(-1), large.told, outbox.pending]).toEqual([['a>'], 1, 0]);
  expect(sent.frames).toBe(5);
});

test('no more than four large bodies are on the way at once: the one with the fewest bytes left goes first, the others get on', async () => {
  const { outbox, wire, writes } = open();
  wire.free = false;
  for (const name of ['a', 'b', 'c', 'd', 'e']) outbox.add(body(name, 600), null);
  await turn();
  outbox.drained();
  outbox.drained();
  expect(headers(writes)).toEqual([
    ['<a 512', '<b 64', '<c 64', '<d 64'],
    ['a>', '<b 64', '<c 64', '<d 64'],
    ['b>', '<c 64', '<d 64', '<e 64'],
  ]);
});

test('a large body that is taken back leaves the queue, and says whether the other end has its beginning', async () => {
  const { outbox, wire, writes } = open();
  wire.free = false;
  const [begun, unsent] = [sender(), sender()];
  outbox.add(body('a', 1_000), begun);
  await turn();
  outbox.add(body('b', 300), unsent);
  expect([outbox.remove(begun), outbox.remove(unsent), outbox.remove(begun), outbox.pending]).toEqual(['partly', 'unsent', 'no', 0]);
  outbox.drained();
  expect([headers(writes), begun.told]).toEqual([[['<a 512']], 0]);
});

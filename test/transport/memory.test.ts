// The simulated network: what every network keeps, whatever the seed, and each fault at every byte.
import { describe, expect, test } from 'vitest';
import { createMemoryNetwork, type Direction, type Link, type MemoryOptions } from '../../src/transport/memory.ts';
import { handClock } from '../world/clock.ts';
import { applyFault, type Fault } from '../world/faults.ts';
import { seededRandom } from '../world/random.ts';
import { conforms } from './conformance.ts';
import { type Fabric, type Followed, follow, pattern, untilIdle } from './fabric.ts';

function createFabric(seed: number): Fabric {
  const clock = handClock();
  return {
    network: createMemoryNetwork({ clock, random: seededRandom(seed) }),
    plenty: 2 ** 17,
    async until(isSo) {
      while (!isSo()) if (clock.step() === null) throw new Error('nothing happens any more');
    },
  };
}

conforms('a network in memory', Object.fromEntries(Array.from({ length: 30 }, (_, seed) => [`seed ${seed}`, () => createFabric(seed)])));

const AT = { kind: 'tcp', host: 'there', port: 80 } as const;

/** A connection with both ends open; the listener's end is null where it was refused or reset before. */
function connect(seed: number, fault: Fault, options: Partial<MemoryOptions> = {}) {
  const clock = handClock();
  const links: Link[] = [];
  const network = createMemoryNetwork({
    clock,
    random: seededRandom(seed),
    dialled(link) {
      links.push(link);
      applyFault(link, fault);
    },
    ...options,
  });
  const accepted: Followed[] = [];
  network.listen(AT, stream => accepted.push(follow(stream)));
  const dialler = follow(network.connect(AT, () => {}));
  return {
    clock,
    dialler,
    link: links[0]!,
    /** Its end of the connection, once it is there. */
    acceptor: (): Followed => accepted[0]!,
    join() {
      while (accepted.length === 0) if (clock.step() === null) throw new Error('never connected');
    },
  };
}

const SENT = 40;
const RESET = { orderly: false, message: 'read ECONNRESET' };
const everyByte = (['toListener', 'toDialler'] as const).flatMap(direction =>
  Array.from({ length: SENT + 2 }, (_, after) => ({ direction, after })),
);

/** Both ends write the same number of bytes, in several frames; returns [sender, receiver] of that direction, and the other. */
function exchange(seed: number, fault: Fault, direction: Direction) {
  const story = connect(seed, fault);
  story.join();
  const ends = [story.dialler, story.acceptor()] as const;
  for (const { stream } of ends) for (let at = 0; at < SENT; at += 8) stream.write([pattern(3, at), pattern(5, at + 3)]);
  untilIdle(story.clock);
  const [sender, receiver] = direction === 'toListener' ? ends : [ends[1], ends[0]];
  return { ...story, sender, receiver };
}

describe('a cut', () => {
  test('comes after exactly so many bytes, at every byte of either direction, and is told to both ends', () => {
    for (const [seed, { direction, after }] of everyByte.entries()) {
      const { sender, receiver } = exchange(seed, { kind: 'cut', direction, after }, direction);
      const found = { direction, after, all: receiver.all(), ends: [sender.end, receiver.end] };
      const ends = after > SENT ? [null, null] : [RESET, RESET];
      expect(found).toEqual({ direction, after, all: pattern(Math.min(after, SENT)), ends });
      expect(sender.all()).toEqual(pattern(sender.bytes));
      if (after <= SENT) expect([sender.events.at(-1), sender.stream.write([pattern(1)])]).toEqual(['closed', false]);
    }
  });

  test('wins over an orderly end behind the same byte', () => {
    const { clock, dialler, acceptor, join } = connect(1, { kind: 'cut', direction: 'toListener', after: 10 });
    join();
    dialler.stream.write([pattern(10)]);
    dialler.stream.end();
    untilIdle(clock);
    expect([acceptor().all(), acceptor().end, dialler.end]).toEqual([pattern(10), RESET, RESET]);
  });

  test('loses what is under way in both directions', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const { clock, link, dialler, acceptor, join } = connect(seed, { kind: 'none' });
      join();
      dialler.stream.write([pattern(10)]);
      acceptor().stream.write([pattern(10)]);
      link.reset();
      untilIdle(clock);
      expect([dialler.bytes, acceptor().bytes, dialler.end, acceptor().end]).toEqual([0, 0, RESET, RESET]);
    }
  });

  test('is told to an end that does not read, and one end is told long before the other', () => {
    const gaps: number[] = [];
    for (let seed = 0; seed < 50; seed += 1) {
      const { clock, link, dialler, acceptor, join } = connect(seed, { kind: 'none' }, { maxDelay: 1_000 });
      join();
      const told: number[] = [];
      dialler.stream.pause();
      acceptor().stream.pause();
      acceptor().stream.write([pattern(10)]);
      link.reset();
      while (clock.step() !== null)
        if (told.length < Number(dialler.end !== null) + Number(acceptor().end !== null)) told.push(clock.now());
      expect([dialler.end, acceptor().end, dialler.bytes]).toEqual([RESET, RESET, 0]);
      gaps.push(told[1]! - told[0]!);
    }
    expect(Math.max(...gaps)).toBeGreaterThan(500);
  });
});

describe('silence', () => {
  test('begins after exactly so many bytes, at every byte of either direction, and no end is told', () => {
    for (const [seed, { direction, after }] of everyByte.entries()) {
      const { clock, sender, receiver } = exchange(seed, { kind: 'silent', direction, after }, direction);
      expect([direction, after, receiver.all()]).toEqual([direction, after, pattern(Math.min(after, SENT))]);
      expect([sender.all(), sender.end, receiver.end]).toEqual([pattern(SENT), null, null]);
      if (after > SENT) continue;
      // Its end does not arrive either, so that it waits for that of the other.
      sender.stream.end();
      untilIdle(clock);
      expect([sender.end, receiver.end]).toEqual([null, null]);
      sender.stream.close();
      untilIdle(clock);
      expect([sender.end, receiver.end]).toEqual([{ orderly: false, message: 'closed' }, null]);
      // What it sends from now on is answered by a reset, which does not arrive.
      receiver.stream.write([pattern(1)]);
      untilIdle(clock);
      expect([receiver.end, receiver.bytes]).toEqual([null, Math.min(after, SENT)]);
      receiver.stream.close();
      untilIdle(clock);
      expect([receiver.end, receiver.events.filter(event => event === 'closed').length]).toEqual([
        { orderly: false, message: 'closed' },
        1,
      ]);
    }
  });

  test('of one direction lets the end of the other arrive', () => {
    const { clock, sender, receiver } = exchange(1, { kind: 'silent', direction: 'toListener', after: 5 }, 'toListener');
    receiver.stream.close();
    untilIdle(clock);
    expect([receiver.end!.orderly, sender.end]).toEqual([false, { orderly: true, message: 'closed by the other end' }]);
  });

  test('fills the window, so that the writer waits; once it heals all arrives', () => {
    const story = connect(1, { kind: 'dead', toListener: 100, toDialler: 0 });
    story.join();
    const { clock, link, dialler, acceptor } = story;
    expect(dialler.stream.write([pattern(100_000)])).toBe(false);
    untilIdle(clock);
    expect([acceptor().bytes, dialler.drains, dialler.stream.pending > 0]).toEqual([100, 0, true]);
    link.silence('toListener', Number.POSITIVE_INFINITY);
    untilIdle(clock);
    expect([acceptor().all().equals(pattern(100_000)), dialler.drains, dialler.stream.pending]).toEqual([true, 1, 0]);
  });
});

test('a refused connection is never there, though its listener is', () => {
  let isConnected = false;
  const clock = handClock();
  const network = createMemoryNetwork({ clock, random: seededRandom(1), dialled: link => link.refuse() });
  network.listen(AT, () => (isConnected = true));
  const dialler = follow(network.connect(AT, () => (isConnected = true)));
  untilIdle(clock);
  expect([isConnected, dialler.end]).toEqual([false, { orderly: false, message: 'connect ECONNREFUSED there:80' }]);
});

test('a connection that a listener has not accepted is reset when the listener closes, and not made when the dialler does', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed += 1) {
    const clock = handClock();
    const network = createMemoryNetwork({ clock, random: seededRandom(seed) });
    const accepted: Followed[] = [];
    const listener = network.listen(AT, stream => accepted.push(follow(stream)));
    const dialler = follow(network.connect(AT, () => {}));
    const closing = seed % 2 === 0 ? dialler.stream : listener;
    clock.setTimeout(() => void closing.close(), seed / 10);
    untilIdle(clock);
    for (const { end } of accepted) if (closing !== listener) expect(end?.orderly).toBe(true);
    seen.add(`${closing === listener ? 'listener' : 'dialler'}, ${accepted.length} accepted: ${dialler.end?.message}`);
  }
  expect([...seen].sort()).toEqual([
    'dialler, 0 accepted: closed',
    'dialler, 1 accepted: closed',
    'listener, 0 accepted: connect ECONNREFUSED there:80',
    'listener, 0 accepted: read ECONNRESET',
    'listener, 1 accepted: undefined',
  ]);
});

test('an address of another kind is refused', () => {
  const network = createMemoryNetwork({ clock: handClock(), random: seededRandom(1) });
  const refused = expect.objectContaining({ code: 'INVALID_OPTIONS' });
  expect(() => network.listen({ kind: 'unix', path: '/x' }, () => {})).toThrow(refused);
  expect(() => network.connect({ kind: 'unix', path: '/x' }, () => {})).toThrow(refused);
});

test('a chunk may be a part of a write, or several writes; a window is drawn as well', () => {
  let [split, joined, full] = [0, 0, 0];
  for (let seed = 0; seed < 200; seed += 1) {
    const { clock, dialler, acceptor, join } = connect(seed, { kind: 'none' });
    join();
    const sizes: number[] = [];
    acceptor().stream.open({ data: chunk => sizes.push(chunk.length), drained() {}, closed() {} });
    for (let n = 0; n < 5; n += 1) if (!dialler.stream.write([pattern(1_000, n)])) full += 1;
    untilIdle(clock);
    split += sizes.filter(size => size % 1_000 !== 0).length;
    joined += sizes.filter(size => size > 1_000).length;
  }
  expect([split > 200, joined > 100, full > 100]).toEqual([true, true, true]);
});

test('an exception of a handler comes out of the clock, and the stream goes on', () => {
  const clock = handClock();
  const network = createMemoryNetwork({ clock, random: seededRandom(3) });
  let bytes = 0;
  network.listen(AT, stream =>
    stream.open({
      data(chunk) {
        bytes += chunk.length;
        throw new Error('no taste');
      },
      drained() {},
      closed() {},
    }),
  );
  const dialler = follow(network.connect(AT, () => {}));
  dialler.stream.write([pattern(5_000)]);
  let thrown = 0;
  for (let ran: number | null = 0; ran !== null; ) {
    try {
      ran = clock.step();
    } catch (fault) {
      expect(fault).toMatchObject({ message: 'no taste' });
      thrown += 1;
    }
  }
  expect([bytes, thrown > 0]).toEqual([5_000, true]);
});

// The simulated network: what every network keeps, whatever the seed; each fault at every byte; and the same story from the same
// seed.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMemoryNetwork, type Direction, type Link, type MemoryOptions } from '../../src/transport/memory.ts';
import type { ByteStream } from '../../src/transport/stream.ts';
import { type HandClock, handClock } from '../world/clock.ts';
import { applyFault, drawFault, type Fault } from '../world/faults.ts';
import { seededRandom } from '../world/random.ts';
import { conforms, type Fabric } from './conformance.ts';
import { type Followed, follow, pattern } from './follow.ts';

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

const untilIdle = (clock: HandClock): void => {
  while (clock.step() !== null);
};

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
    const network = acceptor().stream;
    network.open({ data: chunk => sizes.push(chunk.length), drained() {}, closed() {} });
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

type Step =
  | { readonly end: 0 | 1; readonly what: 'pause' | 'resume' | 'end' | 'close' }
  | { readonly end: 0 | 1; readonly what: 'write'; readonly size: number }
  | { readonly what: 'pass'; readonly ms: number };

/** Plays the steps, and lets all happen that does; both ends read in the end. `story` has every event with its time. */
function play(seed: number, fault: Fault, steps: readonly Step[], maxWindow: number) {
  const story: string[] = [];
  const clock = handClock();
  const network = createMemoryNetwork({ clock, random: seededRandom(seed), maxWindow, dialled: link => applyFault(link, fault) });
  let isInside = false;
  const faults: string[] = [];
  const open = (name: string, stream: ByteStream) => {
    const side = { name, stream, sent: 0, got: 0, refused: 0, ended: false, end: null as { orderly: boolean } | null };
    const note = (what: string): void => {
      if (isInside) faults.push(`${name}: ${what} inside of a call`);
      if (side.end !== null) faults.push(`${name}: ${what} after closed`);
      story.push(`${clock.now()} ${name} ${what}`);
    };
    stream.open({
      data(chunk) {
        if (!chunk.equals(pattern(chunk.length, side.got))) faults.push(`${name}: not the bytes that were sent`);
        side.got += chunk.length;
        note(`data ${chunk.length}`);
      },
      drained() {
        if (side.refused === 0 || stream.pending > 0) faults.push(`${name}: drained for no reason`);
        side.refused = 0;
        note('drained');
      },
      closed(end) {
        note(`closed ${JSON.stringify(end)}`);
        side.end = end;
      },
    });
    return side;
  };
  const sides: (ReturnType<typeof open> | undefined)[] = [];
  network.listen(AT, stream => void (sides[1] = open('acceptor', stream)));
  sides[0] = open(
    'dialler',
    network.connect(AT, () => story.push(`${clock.now()} connected`)),
  );
  const act = (step: Exclude<Step, { what: 'pass' }>): void => {
    const side = sides[step.end];
    if (side === undefined) return;
    if (step.what === 'end' || step.what === 'close') side.ended = true;
    if (step.what !== 'write') return side.stream[step.what]();
    const isOpen = !side.ended && side.end === null;
    const before = side.stream.pending;
    const accepts = side.stream.write([pattern(step.size, side.sent)]);
    // Refused since it is over, and not for being full: nothing of it is taken.
    if (isOpen && (accepts || side.stream.pending > before)) side.sent += step.size;
    if (isOpen && !accepts) side.refused += 1;
  };
  for (const step of steps) {
    isInside = true;
    if (step.what !== 'pass') act(step);
    isInside = false;
    if (step.what === 'pass') clock.pass(step.ms);
  }
  untilIdle(clock);
  for (const side of sides) side?.stream.resume();
  untilIdle(clock);
  return { story, faults, sides };
}

const end = fc.constantFrom(0 as const, 1 as const);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ end, what: fc.constant('write' as const), size: fc.integer({ min: 1, max: 300 }) }) },
    { weight: 6, arbitrary: fc.record({ what: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 30 }) }) },
    { weight: 2, arbitrary: fc.record({ end, what: fc.constantFrom('pause' as const, 'resume' as const) }) },
    { weight: 1, arbitrary: fc.record({ end, what: fc.constantFrom('end' as const, 'close' as const) }) },
  ),
  { maxLength: 40 },
);
const stories = fc.tuple(fc.nat(), steps, fc.constantFrom(1, 50, 500, 65_536));

test('whatever is done in whatever order: bytes in order, none invented, closed once and last, no event inside of a call', () => {
  fc.assert(
    fc.property(stories, ([seed, steps, maxWindow]) => {
      const fault = drawFault(seededRandom(seed), 2_000);
      const { faults, sides } = play(seed, fault, steps, maxWindow);
      expect(faults).toEqual([]);
      const [dialler, acceptor] = sides;
      expect([(acceptor?.got ?? 0) <= dialler!.sent, dialler!.got <= (acceptor?.sent ?? 0)]).toEqual([true, true]);
      const closes = steps.some(step => step.what === 'close');
      if (fault.kind === 'none' && !closes) {
        expect([acceptor!.got, dialler!.got]).toEqual([dialler!.sent, acceptor!.sent]);
        const orderly = steps.some(({ what }) => what === 'end') && (dialler!.ended || acceptor!.ended);
        expect([dialler!.end?.orderly, acceptor!.end?.orderly]).toEqual(orderly ? [true, true] : [undefined, undefined]);
        if (!orderly) expect([dialler!.refused, acceptor!.refused]).toEqual([0, 0]);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('the same seed tells the same story, byte for byte, and another seed another', () => {
  const stories_ = new Set<string>();
  fc.assert(
    fc.property(stories, ([seed, steps, maxWindow]) => {
      const tell = (): string[] => play(seed, drawFault(seededRandom(seed), 2_000), steps, maxWindow).story;
      const story = tell();
      expect(tell()).toEqual(story);
      stories_.add(JSON.stringify(story));
    }),
    { numRuns: 300 },
  );
  expect(stories_.size).toBeGreaterThan(250);
});

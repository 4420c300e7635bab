// Random stories over the simulated network: writes, pauses, ends and faults in any order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMemoryNetwork } from '../../src/transport/memory.ts';
import type { ByteStream } from '../../src/transport/stream.ts';
import { handClock } from '../world/clock.ts';
import { applyFault, drawFault, type Fault } from '../world/faults.ts';
import { seededRandom } from '../world/random.ts';
import { pattern, untilIdle } from './fabric.ts';

const AT = { kind: 'tcp', host: 'there', port: 80 } as const;

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
    { numRuns: 500 },
  );
});

test('the same seed tells the same story, byte for byte, and another seed another', () => {
  const told = new Set<string>();
  fc.assert(
    fc.property(stories, ([seed, steps, maxWindow]) => {
      const tell = (): string[] => play(seed, drawFault(seededRandom(seed), 2_000), steps, maxWindow).story;
      const story = tell();
      expect(tell()).toEqual(story);
      told.add(JSON.stringify(story));
    }),
    { numRuns: 300 },
  );
  expect(told.size).toBeGreaterThan(250);
});

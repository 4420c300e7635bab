// How the connections of a dialogue break: at a byte, or at a moment; with a reset, with silence, or refused. An agent that lives
// always finds a connection before it would give up.
import type { Direction, Link } from '../../src/transport/memory.ts';
import type { HandClock } from '../world/clock.ts';
import { applyFault, drawFault, type Fault } from '../world/faults.ts';

/**
 * A wide plan has some breaks at any byte of small and large messages. A dense one breaks every connection, within or soon behind
 * its handshake, as long as the dialogue lasts; its messages must be small, since one that is cut goes again from its beginning.
 * A heavy one breaks most connections within messages that go in several pieces.
 */
export type Density = 'wide' | 'dense' | 'heavy';

/** Faults fall within so many bytes of one direction: in a handshake, in small messages, in large ones. */
const REACH = {
  wide: [2_500, 5_000, 5_000, 20_000, 20_000, 200_000],
  dense: [900, 900, 1_500, 4_000],
  heavy: [2_500, 200_000, 600_000, 1_500_000],
} as const;
/** After this time without a session a connection is left alone until it has opened one, in ms: an agent gives up after 30 s. */
const PATIENCE = 8_000;
/** Silence ends within this time, in ms: an agent notices the end of a connection only then. */
const SILENT_WITHIN = 15_000;
/** So that a dialogue ends whatever it sends. */
const MAX_FAULTS = { wide: 80, dense: 2_000, heavy: 40 } as const;
const MAX_RESETS = 30;
/** Most of what happens is over by the first of these times, in ms. */
const RESETS_WITHIN = [200, 2_000, 30_000] as const;
/** A dense plan draws a fault of any kind for one of so many connections. The others are cut: silence takes time. */
const ANY_FAULT = 12;
/** A connection of a dense plan that is not cut before is reset within one of these times, in ms. */
const LIVES = [5, 20, 100] as const;
/** Connections beyond those that break: where the host has not noticed the loss of the last one, for instance. */
const MAX_OTHERS = 200;
/** More than the first bytes of a connection, which open the session, in either direction. */
const HANDSHAKE_BYTES = 1_000;

export interface Breaks {
  /** Connections that broke while work was in flight. */
  readonly cuts: number;
  dialled(link: Link): void;
  /** A connection has opened the session. */
  opened(): void;
  /** No connection breaks any more by itself. */
  heal(): void;
  reset(): void;
}

interface Deps {
  readonly clock: HandClock;
  readonly after: (ms: number, run: () => void) => void;
  readonly random: { fraction(): number };
  readonly say: (what: string, details?: object) => void;
  readonly isBusy: () => boolean;
  readonly wrong: (what: string) => void;
}

export function createBreaks(density: Density, { clock, after, random, say, isBusy, wrong }: Deps): Breaks {
  const upTo = (count: number): number => Math.floor(random.fraction() * count);
  const silent = new Set<Link>();
  let faults = density === 'dense' ? MAX_FAULTS.dense : upTo(MAX_FAULTS.wide);
  let cuts = 0;
  let left = faults + MAX_RESETS + MAX_OTHERS;
  let latest: Link | null = null;
  /** Bytes can pass on the latest connection, until it breaks. */
  let isCarrying = false;
  let openedAt = clock.now();
  const isUrgent = (): boolean => clock.now() - openedAt > PATIENCE;
  let isHealed = false;

  const speak = (link: Link): void => {
    if (!silent.delete(link)) return;
    say('a silent connection is heard again');
    for (const direction of ['toListener', 'toDialler'] as const) link.silence(direction, Number.POSITIVE_INFINITY);
  };
  const within = RESETS_WITHIN[upTo(RESETS_WITHIN.length)]!;
  for (let resets = upTo(MAX_RESETS); resets > 0; resets -= 1)
    after(upTo(within), () => {
      if (isHealed || isUrgent()) return;
      say('reset');
      latest?.reset();
    });

  const reach = (): number => REACH[density][upTo(REACH[density].length)]!;
  const cut = (behind: number): Fault => {
    const direction: Direction = random.fraction() < 0.5 ? 'toListener' : 'toDialler';
    return { kind: 'cut', direction, after: behind + upTo(reach()) };
  };
  const draw = (): Fault => {
    if (isHealed || faults === 0) return { kind: 'none' };
    faults -= 1;
    if (isUrgent()) return cut(HANDSHAKE_BYTES);
    if (density === 'dense' && upTo(ANY_FAULT) > 0) return cut(0);
    const drawn = drawFault(random, reach());
    return drawn.kind === 'none' ? cut(HANDSHAKE_BYTES) : drawn;
  };
  const limitLife = (link: Link): void =>
    after(upTo(LIVES[upTo(LIVES.length)]!), () => {
      if (isHealed || isUrgent() || link !== latest || silent.has(link)) return;
      say('its life is over');
      link.reset();
    });

  return {
    get cuts() {
      return cuts;
    },
    dialled(link) {
      if (isCarrying && isBusy()) cuts += 1;
      latest = link;
      left -= 1;
      if (left < 0) wrong('connections end that nothing has cut, again and again');
      const fault = draw();
      say('dialled', fault);
      applyFault(link, fault);
      isCarrying = fault.kind !== 'refused';
      if (density === 'dense' && faults > 0) limitLife(link);
      if (fault.kind !== 'silent' && fault.kind !== 'dead') return;
      silent.add(link);
      after(upTo(SILENT_WITHIN), () => speak(link));
    },
    reset: () => latest?.reset(),
    opened: () => void (openedAt = clock.now()),
    heal() {
      isHealed = true;
      for (const link of [...silent]) speak(link);
      for (const direction of ['toListener', 'toDialler'] as const) latest?.cut(direction, Number.POSITIVE_INFINITY);
    },
  };
}

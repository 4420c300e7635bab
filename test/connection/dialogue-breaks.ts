// How the connections of a dialogue break: at a byte, or at a moment; with a reset, with silence, or refused. An agent that lives
// always finds a connection before it would give up.
import type { Link } from '../../src/transport/memory.ts';
import type { HandClock } from '../world/clock.ts';
import { applyFault, drawFault } from '../world/faults.ts';

/** Faults fall within so many bytes of one direction: in a handshake, in small messages, in large ones. */
const REACH = [2_500, 5_000, 5_000, 20_000, 20_000, 200_000] as const;
/** After this time without a connection that can serve for a while, one has no fault, in ms: an agent gives up after 30 s. */
const PATIENCE = 8_000;
/** Silence ends within this time, in ms: an agent notices the end of a connection only then. */
const SILENT_WITHIN = 15_000;
const MAX_FAULTS = 80;
const MAX_RESETS = 30;
/** Most of what happens is over by the first of these times, in ms. */
const RESETS_WITHIN = [200, 2_000, 30_000] as const;
/** The first bytes of a connection open the session. */
const HANDSHAKE_BYTES = 2_500;

export interface Breaks {
  /** Connections that were replaced by another one. */
  readonly cuts: number;
  dialled(link: Link): void;
  /** No connection breaks any more. */
  heal(): void;
}

interface Deps {
  readonly clock: HandClock;
  readonly after: (ms: number, run: () => void) => void;
  readonly random: { fraction(): number };
  readonly say: (what: string) => void;
}

export function createBreaks({ clock, after, random, say }: Deps): Breaks {
  const upTo = (count: number): number => Math.floor(random.fraction() * count);
  const silent = new Set<Link>();
  let faults = upTo(MAX_FAULTS);
  let dialled = 0;
  let latest: Link | null = null;
  /** Since when no connection could serve. */
  let brokenSince: number | null = null;
  let isHealed = false;

  const speak = (link: Link): void => {
    if (!silent.delete(link)) return;
    say('a silent connection is heard again');
    for (const direction of ['toListener', 'toDialler'] as const) link.silence(direction, Number.POSITIVE_INFINITY);
  };
  const within = RESETS_WITHIN[upTo(RESETS_WITHIN.length)]!;
  for (let left = upTo(MAX_RESETS); left > 0; left -= 1)
    after(upTo(within), () => {
      if (isHealed) return;
      say('reset');
      latest?.reset();
    });

  return {
    get cuts() {
      return Math.max(0, dialled - 1);
    },
    dialled(link) {
      latest = link;
      dialled += 1;
      const now = clock.now();
      brokenSince ??= now;
      if (isHealed || faults === 0 || now - brokenSince > PATIENCE) {
        say('dialled');
        brokenSince = null;
        return;
      }
      faults -= 1;
      const fault = drawFault(random, REACH[upTo(REACH.length)]!);
      say(`dialled: ${JSON.stringify(fault)}`);
      applyFault(link, fault);
      if (fault.kind === 'none' || (fault.kind === 'cut' && fault.after > 2 * HANDSHAKE_BYTES)) brokenSince = null;
      if (fault.kind !== 'silent' && fault.kind !== 'dead') return;
      silent.add(link);
      after(upTo(SILENT_WITHIN), () => speak(link));
    },
    heal() {
      isHealed = true;
      for (const link of [...silent]) speak(link);
      for (const direction of ['toListener', 'toDialler'] as const) latest?.cut(direction, Number.POSITIVE_INFINITY);
    },
  };
}

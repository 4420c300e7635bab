// How a program ended: its exit code, or the name of the signal that it died of. One of the files that touch the world.
//
// Node has no names for the signals 32 to 64 (most of them are real-time signals), and reports a death by one of them as
// exit code 0. The system knows better until Node has reaped the program. Its pipes close before that, and Node handles
// what happens on pipes before it reaps: so the moment at which they end is the one to ask.
// The limit: where somebody else holds the pipes open, or where they are not being read, such a death is exit code 0.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';

export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

const UNNAMED = { first: 32, last: 64 };
const FIRST_REAL_TIME = 34;

// Of several names of one signal node takes the first.
const NAMES = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** The name of a signal, for those that Node has none for as shells have it: SIGRTMIN+6. Undefined: there is no such signal. */
export function signalName(number: number): string | undefined {
  if (!(number >= UNNAMED.first && number <= UNNAMED.last)) return NAMES.get(number);
  if (number < FIRST_REAL_TIME) return `signal ${number}`;
  return number === FIRST_REAL_TIME ? 'SIGRTMIN' : `SIGRTMIN+${number - FIRST_REAL_TIME}`;
}

/** The signal without a name that a child of this process is dying or has died of; null: none, or it cannot be told. */
function unnamedDeath(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // pid (name, which may hold anything) state ppid …; the 52nd is the status that its parent will be told.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const signal = Number(fields[49]) & 0x7f;
    // Where /proc is that of another pid namespace the number means somebody else, whose parent is not this process.
    return Number(fields[1]) === process.pid && signal >= UNNAMED.first && signal <= UNNAMED.last ? signal : null;
  } catch {
    // Reaped already, no /proc, or no file descriptors.
    return null;
  }
}

export interface Death {
  readonly number: number;
  readonly name: string;
}

/**
 * To be called right after the spawn, with the child's stdout and stderr. The function that it returns says of an exit by
 * code 0 which signal without a name it was in truth. `event` is what the streams say when they end, or when they might:
 * `end` for those that flow, `readable` for those that are iterated.
 */
export function watchDeath(pid: number | undefined, streams: Iterable<Readable>, event: 'end' | 'readable'): () => Death | null {
  let number: number | null = null;
  if (pid === undefined) return () => null;
  for (const stream of streams) {
    stream.on(event, () => {
      number = unnamedDeath(pid);
    });
  }
  return () => (number === null ? null : { number, name: signalName(number)! });
}

// How a program ended: its exit code, or the name of the signal that killed it.
//
// Node has no names for the signals 32 to 64 (most of them are real-time signals), and reports a death by one of them as
// exit code 0. /proc shows the real status until Node has reaped the program. The pipes of the program close before that,
// and Node handles their end before it reaps: so the status is read when a pipe ends.
// The limit: where another process holds the pipes open, or nothing reads them, such a death is reported as exit code 0.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';

export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

const UNNAMED = { first: 32, last: 64 };
const FIRST_REAL_TIME = 34;

// Some signals have several names; the first one wins, as in Node.
const NAMES = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** The name of a signal; where Node has none, as shells write it: SIGRTMIN+6. Undefined: there is no such signal. */
export function signalName(number: number): string | undefined {
  if (!(number >= UNNAMED.first && number <= UNNAMED.last)) return NAMES.get(number);
  if (number < FIRST_REAL_TIME) return `signal ${number}`;
  return number === FIRST_REAL_TIME ? 'SIGRTMIN' : `SIGRTMIN+${number - FIRST_REAL_TIME}`;
}

/** The exit status as shells report it: the exit code, or 128 + n after a death by signal n. Null: neither is known. */
export function statusOf({ exitCode, signal }: Exit): number | null {
  if (signal === null) return exitCode;
  for (let number = 1; number <= UNNAMED.last; number += 1) if (signalName(number) === signal) return 128 + number;
  return null;
}

/** The signal 32 to 64 that has killed a child of this process; null: none, or the status cannot be read. */
function unnamedDeath(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // pid (name, which may contain any character) state ppid …; field 52 is the exit status that the parent will receive.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const signal = Number(fields[49]) & 0x7f;
    // If /proc belongs to another pid namespace, the pid names another process, whose parent is not this one.
    return Number(fields[1]) === process.pid && signal >= UNNAMED.first && signal <= UNNAMED.last ? signal : null;
  } catch {
    // It is reaped already, there is no /proc, or no file descriptors are left.
    return null;
  }
}

export interface Death {
  readonly number: number;
  readonly name: string;
}

/**
 * Must be called right after the spawn, with the child's stdout and stderr. After an exit with code 0, the returned function
 * tells which signal 32 to 64 has killed the child, if any. `event` is the event at which a stream ends or may have ended:
 * `end` for flowing streams, `readable` for iterated ones.
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

// The end of this process: what runs before it ends.

/** The signals that ask a process to end. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

export interface HostEnd {
  /** The process exits in this turn: process.exit(), or an uncaught exception. Must not wait. */
  exits(): void;
  /** A signal has come that nobody else handles; `again`: not the first one. The signal is raised again when all have resolved. */
  signalled(again: boolean): Promise<void>;
}

/** Registers what has to happen before this process ends. The returned function removes it. */
export type OnHostEnd = (end: HostEnd) => () => void;

type Host = Pick<NodeJS.Process, 'on' | 'off' | 'kill' | 'pid' | 'listenerCount'>;

/** The copies of this file in one process, in several versions of the package, count their listeners together. */
const COPIES = Symbol.for('spearlet.hostEnd');
/**
 * The number of signal listeners that only clean up and then raise the signal again (the package signal-exit, which execa and others
 * use). They do not count as the host's own handlers. signal-exit counts them here: since version 4 under the symbol, before under
 * the name.
 */
function observers(): number {
  const places = [
    (globalThis as { [key: symbol]: unknown })[Symbol.for('signal-exit emitter')],
    (process as { __signal_exit_emitter__?: unknown }).__signal_exit_emitter__,
  ] as ({ readonly count?: number } | undefined)[];
  return places.reduce((sum, place) => sum + (place?.count ?? 0), 0);
}

/** All that is registered shares one listener for each event; where nothing is registered, there is none. */
export function createOnHostEnd(host: Host): OnHostEnd {
  const shared = host as { [COPIES]?: { count: number } };
  shared[COPIES] ??= { count: 0 };
  const copies = shared[COPIES];
  const ends = new Set<HostEnd>();
  let listens = false;
  let again = false;

  const exits = (): void => {
    for (const end of [...ends]) end.exits();
  };
  const signalled = async (signal: NodeJS.Signals): Promise<void> => {
    // A host with a listener of its own decides itself when to end.
    if (host.listenerCount(signal) > copies.count + observers()) return;
    const isAgain = again;
    again = true;
    await Promise.allSettled([...ends].map(end => end.signalled(isAgain)));
    unlisten();
    // Without a listener the signal ends the process, as it would have without spearlet. The last copy raises it.
    if (copies.count === 0) host.kill(host.pid, signal);
  };
  const listen = (): void => {
    if (listens) return;
    listens = true;
    copies.count += 1;
    host.on('exit', exits);
    for (const signal of SIGNALS) host.on(signal, signalled);
  };
  function unlisten(): void {
    if (!listens) return;
    listens = false;
    copies.count -= 1;
    host.off('exit', exits);
    for (const signal of SIGNALS) host.off(signal, signalled);
  }

  return end => {
    listen();
    ends.add(end);
    return () => {
      if (ends.delete(end) && ends.size === 0) unlisten();
    };
  };
}

export const onHostEnd: OnHostEnd = createOnHostEnd(process);

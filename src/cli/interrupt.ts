// The signals that ask the command line to end.

/**
 * Those that end a process unless it listens. Not among them: SIGUSR1, with which Node opens its inspector; SIGPROF, which
 * its profiler uses; SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV and SIGSYS, after which nothing can be trusted; and signals
 * from 34 on, which Node cannot listen to.
 */
const ENDING = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGABRT',
  'SIGALRM',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGUSR2',
  'SIGVTALRM',
  'SIGXCPU',
] as const;

/** RequestTable back for each of them: `again` for all after the first. Returns how to stop that. */
export function onInterrupt(interrupted: (again: boolean) => void): () => void {
  let again = false;
  const handler = (): void => {
    interrupted(again);
    again = true;
  };
  for (const signal of ENDING) process.on(signal, handler);
  return () => {
    for (const signal of ENDING) process.off(signal, handler);
  };
}

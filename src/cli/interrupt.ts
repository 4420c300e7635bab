// The signals that end the command line in order: it stops its agents first. It listens itself, and not `endWithHost`, since it ends with
// an exit code of its own, and after more signals.

/**
 * The signals that end a process by default, without these: SIGUSR1, which opens Node's inspector; SIGPROF, which Node's
 * profiler uses; SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV and SIGSYS, after which the process is not in a safe state; and
 * signals from 34 on, which Node cannot handle.
 */
const SIGNALS = [
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

/** Calls `interrupted` for each signal; `again` is true after the first one. Returns a function that removes the listeners. */
export function onInterrupt(interrupted: (again: boolean) => void): () => void {
  let again = false;
  const handler = (): void => {
    interrupted(again);
    again = true;
  };
  for (const signal of SIGNALS) process.on(signal, handler);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
}

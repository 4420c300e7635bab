// One 'abort' listener per AbortSignal, shared by all executions that use it: Node warns above ten listeners.

interface AbortListeners {
  readonly all: Set<() => void>;
  readonly listener: () => void;
}

const signals = new WeakMap<AbortSignal, AbortListeners>();

/** Calls `aborted` once, when the signal is aborted. Returns how to stop waiting for it. */
export function onAbort(signal: AbortSignal, aborted: () => void): () => void {
  let waiting = signals.get(signal);
  if (waiting === undefined) {
    const all = new Set<() => void>();
    const listener = (): void => {
      signals.delete(signal);
      for (const each of all) each();
    };
    waiting = { all, listener };
    signals.set(signal, waiting);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { all, listener } = waiting;
  // One function may wait twice.
  const mine = (): void => aborted();
  all.add(mine);
  return () => {
    all.delete(mine);
    if (all.size > 0 || signals.get(signal)?.all !== all) return;
    signals.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}

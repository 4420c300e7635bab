// Executions whose link was lost after they were sent: each waits, so long and no longer, for a sign of life on another.
import type { Deadline, Deadlines } from './deadlines.ts';
import type { Call } from './execution.ts';

export interface Orphans {
  /** What was written may have arrived or not. An agent that comes back and has it says so; silence gives it up. */
  add(calls: Iterable<Call>): void;
  /** It was answered, or has ended. */
  heardOf(call: Call): void;
}

/** `isHeld`: we do not read what the other end says, so its silence means nothing. */
export function createOrphans(deadlines: Deadlines, window: number, isHeld: () => boolean, giveUp: (call: Call) => void): Orphans {
  const waiting = new Map<Call, Deadline>();
  const wait = (call: Call): void => {
    waiting.set(
      call,
      deadlines.add(window, () => {
        if (isHeld()) return wait(call);
        waiting.delete(call);
        giveUp(call);
      }),
    );
  };
  return {
    add(calls) {
      for (const call of [...calls]) if (call.payload === null && !waiting.has(call)) wait(call);
    },
    heardOf(call) {
      if (waiting.size === 0) return;
      waiting.get(call)?.cancel();
      waiting.delete(call);
    },
  };
}

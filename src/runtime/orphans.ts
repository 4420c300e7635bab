// Executions whose link was lost after they were sent: each waits, so long and no longer, for a sign of life on another.
import type { SpearletError } from '../errors.ts';
import type { Deadline, Deadlines } from './deadlines.ts';
import type { Call } from './execution.ts';

export interface Orphans {
  /**
   * What was written may have arrived or not. An agent that comes back and has it says so; silence gives it up. `cause`: why
   * the link was lost.
   */
  add(calls: Iterable<Call>, cause: SpearletError | undefined): void;
  /** It was answered, or has ended. */
  heardOf(call: Call): void;
}

/** `isHeld`: we do not read what the other end says, so its silence means nothing. */
export function createOrphans(
  deadlines: Deadlines,
  window: number,
  isHeld: () => boolean,
  giveUp: (call: Call, cause: SpearletError | undefined) => void,
): Orphans {
  const waiting = new Map<Call, Deadline>();
  const wait = (call: Call, cause: SpearletError | undefined): void => {
    waiting.set(
      call,
      deadlines.add(window, () => {
        if (isHeld()) return wait(call, cause);
        waiting.delete(call);
        giveUp(call, cause);
      }),
    );
  };
  return {
    add(calls, cause) {
      for (const call of [...calls]) if (call.payload === null && !waiting.has(call)) wait(call, cause);
    },
    heardOf(call) {
      if (waiting.size === 0) return;
      waiting.get(call)?.cancel();
      waiting.delete(call);
    },
  };
}

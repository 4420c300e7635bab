// Executions whose link was lost after they were sent: each waits, so long and no longer, for a sign of life on another.
import type { Deadlines } from './deadlines.ts';
import type { Call } from './execution.ts';

export interface Orphans {
  /** What was written may have arrived or not. An agent that comes back and has it says so; silence gives it up. */
  add(calls: Iterable<Call>): void;
  /** It was answered, or has ended. */
  heardOf(call: Call): void;
}

export function createOrphans(deadlines: Deadlines, window: number, giveUp: (call: Call) => void): Orphans {
  const waiting = new Set<Call>();
  return {
    add(calls) {
      const lost = [...calls].filter(call => call.payload === null && !waiting.has(call));
      if (lost.length === 0) return;
      for (const call of lost) waiting.add(call);
      deadlines.add(window, () => {
        for (const call of lost) if (waiting.delete(call)) giveUp(call);
      });
    },
    heardOf(call) {
      if (waiting.size > 0) waiting.delete(call);
    },
  };
}

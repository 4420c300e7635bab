// Executions that are over for their caller while the agent may still be at them: it was told to cancel, and owes a last
// answer all the same, within so long. One that gives none does not listen.
import type { U64 } from '../protocol/message.ts';
import type { CallsOwner } from './calls.ts';
import type { CallCounts } from './counts.ts';
import type { Deadline } from './deadlines.ts';

export interface Unanswered {
  /** The agent has to be told to cancel it; false: it was told already on this connection. */
  add(requestId: U64, taskId: string): boolean;
  /** It has answered to the end. */
  heardOf(requestId: U64): void;
  /** Whoever was told is gone. */
  clear(): void;
}

/** `isHeld`: we do not read what the other end says, so its silence means nothing. */
export function createUnanswered(
  { deadlines, options, unanswered }: Pick<CallsOwner, 'deadlines' | 'options' | 'unanswered'>,
  counts: CallCounts,
  isHeld: () => boolean,
): Unanswered {
  /** Null: the grace is over, and what it meant was done. */
  const told = new Map<U64, Deadline | null>();
  const wait = (requestId: U64, taskId: string): void => {
    const due = (): void => {
      if (isHeld()) return wait(requestId, taskId);
      told.set(requestId, null);
      counts.unanswered += 1;
      unanswered(taskId);
    };
    told.set(requestId, deadlines.add(options.grace, due));
  };
  return {
    add(requestId, taskId) {
      if (told.has(requestId)) return false;
      // Beyond so many, those that are waited for decide.
      if (told.size < options.maxInFlight) wait(requestId, taskId);
      return true;
    },
    heardOf(requestId) {
      told.get(requestId)?.cancel();
      told.delete(requestId);
    },
    clear() {
      for (const deadline of told.values()) deadline?.cancel();
      told.clear();
    },
  };
}

// Executions that are over for their caller while the agent may still be at them: it was told to cancel, and owes a last
// answer all the same, within so long. One that gives none does not listen.
import type { U64 } from '../protocol/message.ts';
import type { CallsOwner } from './calls.ts';
import type { CallCounts } from './counts.ts';
import type { Deadline } from './deadlines.ts';

export interface Unanswered {
  /** The agent was told to cancel it. */
  add(requestId: U64, taskId: string): void;
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
  const waiting = new Map<U64, Deadline>();
  const wait = (requestId: U64, taskId: string): void => {
    const due = (): void => {
      if (isHeld()) return wait(requestId, taskId);
      waiting.delete(requestId);
      counts.unanswered += 1;
      unanswered(taskId);
    };
    waiting.set(requestId, deadlines.add(options.grace, due));
  };
  return {
    add(requestId, taskId) {
      // Beyond so many, those that are waited for decide.
      if (!waiting.has(requestId) && waiting.size < options.maxInFlight) wait(requestId, taskId);
    },
    heardOf(requestId) {
      waiting.get(requestId)?.cancel();
      waiting.delete(requestId);
    },
    clear() {
      for (const deadline of waiting.values()) deadline.cancel();
      waiting.clear();
    },
  };
}

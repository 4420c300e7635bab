// Cancels: each execution is cancelled once on a connection, and the agent owes a terminal response for it within `grace`.
// An agent that gives none is unresponsive.

import type { HostChannel } from '../connection/channel.ts';
import { SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import type { U64 } from '../protocol/message.ts';
import type { ExecutionCounts } from './counts.ts';
import type { Deadlines } from './deadlines.ts';
import { createPendingResponses } from './pending-responses.ts';
import { UNREAD_FACTOR } from './request.ts';

export interface CancelWatch {
  /** The request's own id says which execution is meant: its task id may be in use again. */
  send(channel: HostChannel, requestId: U64, taskId: string): void;
  /**
   * The agent reports Started for an execution that has already ended for its caller: cancels it, unless this session has done so.
   * Throws PROTOCOL_ERROR if the agent does not read what is sent.
   */
  started(channel: HostChannel, requestId: U64, taskId: string): void;
  /** The agent has given its terminal response. */
  responded(requestId: U64): void;
  /** The session is over: no terminal response is due any more. */
  clear(): void;
}

export interface CancelWatchDeps {
  readonly deadlines: Deadlines;
  readonly options: { readonly grace: number; readonly maxInFlight: number; readonly maxQueuedBytes: number };
  readonly counts: ExecutionCounts;
  isPaused(): boolean;
  /** The agent has sent no terminal response in time. */
  unresponsive(taskId: string, requestId: U64): void;
}

export function createCancelWatch({ deadlines, options, counts, isPaused, unresponsive }: CancelWatchDeps): CancelWatch {
  const cancelled = createPendingResponses<U64, string>({
    deadlines,
    within: options.grace,
    isPaused,
    overdue(requestId, taskId) {
      counts.unanswered += 1;
      unresponsive(taskId, requestId);
    },
  });
  /** `shown`: the task id as reports show it. */
  const send = (channel: HostChannel, requestId: U64, taskId: string, shown: string): void => {
    // Above maxInFlight no further cancels are tracked; those already tracked show whether the agent responds.
    if (cancelled.size >= options.maxInFlight || cancelled.expect(requestId, shown))
      channel.queue.addUrgent(channel.codec.cancel(requestId, taskId));
  };
  return {
    send: (channel, requestId, taskId) => send(channel, requestId, taskId, taskId),
    started(channel, requestId, taskId) {
      if (channel.queue.pending > UNREAD_FACTOR * options.maxQueuedBytes)
        throw new SpearletError('PROTOCOL_ERROR', 'the agent asks for more than it reads');
      // The agent chose this task id, so it is escaped and cut.
      send(channel, requestId, taskId, printable(taskId, bounds.quoted));
    },
    responded: requestId => cancelled.settle(requestId),
    clear: () => cancelled.clear(),
  };
}

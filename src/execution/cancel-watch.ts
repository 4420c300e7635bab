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
  /** The agent has started what is over for its caller: it was cancelled while the agent could not be told. Throws PROTOCOL_ERROR. */
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
  /** `shown`: the task id for people. */
  const send = (channel: HostChannel, requestId: U64, taskId: string, shown: string): void => {
    // Beyond so many, those that are waited for decide whether the agent listens.
    if (cancelled.size >= options.maxInFlight || cancelled.expect(requestId, shown))
      channel.queue.addUrgent(channel.codec.cancel(requestId, taskId));
  };
  return {
    send: (channel, requestId, taskId) => send(channel, requestId, taskId, taskId),
    started(channel, requestId, taskId) {
      if (channel.queue.pending > UNREAD_FACTOR * options.maxQueuedBytes)
        throw new SpearletError('PROTOCOL_ERROR', 'the agent asks for more than it reads');
      // Its task id is the agent's word.
      send(channel, requestId, taskId, printable(taskId, bounds.quoted));
    },
    responded: requestId => cancelled.settle(requestId),
    clear: () => cancelled.clear(),
  };
}

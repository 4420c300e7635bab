// Cancels: each execution is cancelled once on a connection of wire v1, or in an epoch of wire v2, and the agent owes a terminal response
// for it within `grace`. An agent that gives none is unresponsive.

import type { HostChannel } from '../connection/channel.ts';
import { checkUnread } from '../connection/unread.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import type { U64 } from '../protocol/message.ts';
import type { Deadlines } from '../world/deadlines.ts';
import type { ExecutionCounts } from './counts.ts';
import { createPendingResponses } from './pending-responses.ts';

export interface CancelWatch {
  /**
   * The request's own id says which execution is meant: its task id may be in use again. False: there are too many cancels whose time is
   * not over, and nothing is known of this one.
   */
  send(channel: HostChannel, requestId: U64, taskId: string): boolean;
  /**
   * The agent reports Started for an execution that has already ended for its caller: cancels it, unless this session has done so.
   * Throws PROTOCOL_ERROR if the agent does not read what is sent.
   */
  started(channel: HostChannel, requestId: U64, taskId: string): void;
  /**
   * Null: the agent does not work on this one, or not within its `grace`. Else it resolves when that is so, or when the session is over.
   */
  working(requestId: U64): Promise<void> | null;
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

/** The promises of `working`, by request id. Most instances have none, so the map is made when needed. */
class Watchers {
  #ended: Map<U64, () => void> | null = null;

  add(requestId: U64): Promise<void> {
    this.#ended ??= new Map();
    const all = this.#ended;
    return new Promise(resolve => all.set(requestId, resolve));
  }
  end(requestId: U64): void {
    this.#ended?.get(requestId)?.();
    this.#ended?.delete(requestId);
  }
  endAll(): void {
    for (const ended of this.#ended?.values() ?? []) ended();
    this.#ended = null;
  }
}

export function createCancelWatch({ deadlines, options, counts, isPaused, unresponsive }: CancelWatchDeps): CancelWatch {
  const watchers = new Watchers();
  const cancelled = createPendingResponses<U64, string>({
    deadlines,
    within: options.grace,
    isPaused,
    overdue(requestId, taskId) {
      counts.unanswered += 1;
      watchers.end(requestId);
      unresponsive(taskId, requestId);
    },
  });
  /** `shown`: the task id as reports show it. */
  const send = (channel: HostChannel, requestId: U64, taskId: string, shown: string): boolean => {
    if (cancelled.size >= options.maxInFlight) cancelled.dropOverdue();
    // Above maxInFlight no further cancels are tracked; those already tracked show whether the agent responds.
    const isTracked = cancelled.size < options.maxInFlight;
    if (!isTracked || cancelled.expect(requestId, shown)) channel.queue.addUrgent(channel.codec.cancel(requestId, taskId));
    return isTracked;
  };
  return {
    send: (channel, requestId, taskId) => send(channel, requestId, taskId, taskId),
    started(channel, requestId, taskId) {
      checkUnread(channel, options.maxQueuedBytes);
      // The agent chose this task id, so it is escaped and cut.
      send(channel, requestId, taskId, printable(taskId, bounds.quoted));
    },
    working: requestId => (cancelled.isDue(requestId) ? watchers.add(requestId) : null),
    responded(requestId) {
      cancelled.settle(requestId);
      watchers.end(requestId);
    },
    clear() {
      cancelled.clear();
      watchers.endAll();
    },
  };
}

// The bound of what an agent may leave unread. An agent that goes on asking for answers without reading them loses its connection.
import { SpearletError } from '../errors.ts';
import type { HostChannel } from './channel.ts';

/** Requests may take 4 times `maxQueuedBytes` as frames of wire v1. More unsent bytes are answers that the agent does not read. */
const UNREAD_FACTOR = 5;

/** Throws PROTOCOL_ERROR if more bytes are unsent than the bound. */
export function checkUnread({ queue }: HostChannel, maxQueuedBytes: number): void {
  const bound = UNREAD_FACTOR * maxQueuedBytes;
  if (queue.pending <= bound) return;
  const message = `the agent asks for answers and does not read them: ${queue.pending} bytes are unsent, the bound is ${bound}`;
  throw new SpearletError('PROTOCOL_ERROR', message);
}

// What outlives the connections of one epoch of wire v2, on either side: the messages that the other end has not acknowledged,
// and the number of messages that have arrived. With both, nothing is lost or repeated when the agent resumes (as in XEP-0198).
import { isCounted } from '../protocol/v2/types.ts';
import { SendQueue } from './send-queue.ts';

export class Continuity {
  readonly queue = new SendQueue(isCounted);
  /** Counted messages that have arrived, over all connections. */
  received = 0;
  /** Of those, how many the other end knows of. */
  acknowledged = 0;
}

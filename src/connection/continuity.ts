// What outlives the connections of one epoch of wire v2, on either side: the messages that the other end has not acknowledged,
// and the number of messages that have arrived. With both, nothing is lost or repeated when the agent resumes (as in XEP-0198).
import { isCounted } from '../protocol/v2/types.ts';
import { SendQueue } from './send-queue.ts';

export class Continuity {
  readonly queue = new SendQueue(isCounted);
  /** Counted messages that have arrived: over all connections, and over those before the present one. */
  #received = 0;
  #receivedBefore = 0;
  /** How many of them were acknowledged to the other end. */
  #acknowledged = 0;

  /** A connection begins. Returns how many messages have arrived: its first message acknowledges them. */
  begin(): number {
    this.#receivedBefore = this.#received;
    this.#acknowledged = this.#received;
    return this.#received;
  }

  /** The connection has brought this many counted messages. */
  arrived(counted: number): void {
    this.#received = this.#receivedBefore + counted;
  }

  /** The number of messages to acknowledge, if at least `least` are not acknowledged yet. Null: fewer are. */
  due(least: number): number | null {
    if (this.#received - this.#acknowledged < least) return null;
    this.#acknowledged = this.#received;
    return this.#received;
  }
}

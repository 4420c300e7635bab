// Messages that were handed to a stream and that the other end has not acknowledged, the oldest first. On the next stream they
// are sent again.
import { SpearletError } from '../errors.ts';
import { Pieces } from '../protocol/pieces.ts';

export type Message = Buffer | Pieces;

export class Unacknowledged {
  #messages: Message[] = [];
  /** How many messages came before the oldest one here. */
  #acknowledged = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(message: Message): void {
    this.#messages.push(message);
    this.#bytes += message.length;
  }

  /** The other end has this many messages in all. Throws PROTOCOL_ERROR for a number that cannot be. */
  acknowledge(received: number): void {
    const count = received - this.#acknowledged;
    const sent = this.#acknowledged + this.#messages.length;
    if (count < 0 || received > sent)
      throw new SpearletError('PROTOCOL_ERROR', `${received} messages are acknowledged, of ${sent} that were sent`);
    if (count === 0) return;
    for (let n = 0; n < count; n += 1) this.#bytes -= this.#messages[n]!.length;
    this.#messages = this.#messages.slice(count);
    this.#acknowledged = received;
  }

  /** Hands over all of them, to be sent from their beginning. */
  takeAll(): Message[] {
    const all = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    for (const message of all) if (message instanceof Pieces) message.restart();
    return all;
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }
}

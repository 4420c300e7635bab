// The sending side of a channel: the first messages go by a queue of the connection; those of a session that can resume go by the
// queue of its continuity, behind them.
import type { ByteStream } from '../transport/stream.ts';
import type { Continuity } from './continuity.ts';
import { SendQueue } from './send-queue.ts';

export class Outgoing {
  readonly #stream: ByteStream;
  /** The queue of the connection. */
  readonly first = new SendQueue();
  #queue = this.first;
  /** What the queue of the continuity had sent before. */
  #messagesBefore = 0;
  #bytesBefore = 0;
  /** The count with which the queue of the continuity begins, once the first messages are written. */
  #resumesAt: number | null = null;

  constructor(stream: ByteStream) {
    this.#stream = stream;
    this.first.attach(stream);
  }

  /** All is handed to the stream that can be: what waits for `resume()` is not sent on this connection any more. */
  get isDone(): boolean {
    const isUnsent = this.#queue.isAttachedTo(this.#stream) && !this.#queue.isEmpty;
    return this.first.isEmpty && !isUnsent;
  }
  /** Messages and bytes that this connection has sent. */
  get messages(): number {
    return this.first.messages + (this.#queue === this.first ? 0 : this.#queue.messages - this.#messagesBefore);
  }
  get bytes(): number {
    return this.first.sentBytes + (this.#queue === this.first ? 0 : this.#queue.sentBytes - this.#bytesBefore);
  }

  /** Sends a message on this connection or not at all: it is not kept for the next one. */
  addLast(frame: Buffer): void {
    // The first messages keep their order: those before it may be of another version of the wire.
    if (this.#queue.isAttachedTo(this.#stream)) this.#queue.addUrgent(frame);
    else this.first.add(frame);
  }

  /** `resume` is the last of the first messages. What comes behind it waits for `resume()`. */
  adopt({ queue }: Continuity, resume: Buffer): void {
    this.#messagesBefore = queue.messages;
    this.#bytesBefore = queue.sentBytes;
    this.first.add(resume, null);
    this.#queue = queue;
  }

  /** The other end has this many counted messages. */
  resume(received: number): void {
    this.first.flush();
    this.#begin(received);
  }

  drained(): void {
    if (this.#queue !== this.first) this.first.drained();
    if (this.#resumesAt !== null) this.#begin(this.#resumesAt);
    else this.#queue.drained();
  }

  /** Writes what waits, as far as the system takes it at once. */
  flush(): void {
    this.first.flush();
    if (this.#queue.isAttachedTo(this.#stream)) this.#queue.flush();
  }

  /** The stream is gone, or is closed now. The queue of a continuity outlives it. */
  release(): void {
    this.first.close();
    if (this.#queue.isAttachedTo(this.#stream)) this.#queue.detach();
  }

  #begin(received: number): void {
    const isFirstWritten = this.first.isEmpty;
    this.#resumesAt = isFirstWritten ? null : received;
    if (isFirstWritten) this.#queue.attach(this.#stream, received);
  }
}

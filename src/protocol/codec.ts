// One version of the wire format: bytes to messages and back, framing included. A connection may go on with another codec
// between two frames. What a message's payload holds is encoded and decoded by the version's own functions.
import type { MessageType, SpearMessage, Timestamp, U64 } from './message.ts';

/** Cuts a byte stream, however it is split, into messages, one at a time and in order. */
export interface Decoder {
  /**
   * Takes the next bytes of the stream. Throws SpearletError FRAME_TOO_LARGE or PROTOCOL_ERROR; after that the stream cannot be
   * read on.
   */
  push(chunk: Buffer): void;
  /** Gives no more messages, also in the middle of a chunk; what is left of that chunk is kept. */
  pause(): void;
  /** Goes on with what was kept. */
  resume(): void;
  /** The largest frame body accepted from now on, in bytes. */
  limit: number;
  /** How many bytes of an unfinished frame have arrived: 0 where the stream may end in order. */
  readonly unfinished: number;
  /** Hands over what was kept while it was paused, for another decoder to go on with. */
  rest(): Buffer[];
}

export interface Codec {
  readonly version: number;
  /** `receive` may keep no reference to the payload after it returns. */
  createDecoder(maxFrameBytes: number, receive: (message: SpearMessage) => void): Decoder;
  /** A whole frame. `payload` is a text or any bytes. */
  encode(type: MessageType, requestId: U64, timestamp: Timestamp, payload: string | Uint8Array): Buffer;
}

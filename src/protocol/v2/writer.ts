// Writes frames of wire v2. Small frames lie side by side in one slab, so that a frame costs no allocation of its own.
import { SpearletError } from '../../errors.ts';
import { Pieces } from '../pieces.ts';
import { HEADER_BYTES, MORE } from './types.ts';

const SLAB_BYTES = 64 * 1024;
/** A body above this size is sent in pieces. */
export const LARGE = 64 * 1024;
/** The most bytes of UTF-8 for a UTF-16 unit. */
const UTF8_FACTOR = 3;
/** Shorter texts are written by hand: the call into the runtime costs more. */
const SHORT = 24;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let free = 0;

function writeU32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function writeU64(bytes: Buffer, at: number, value: number): void {
  writeU32(bytes, at, value >>> 0);
  writeU32(bytes, at + 4, Math.floor(value / 2 ** 32));
}

function writeHeader(bytes: Buffer, at: number, length: number, type: number, flags: number, requestId: number): void {
  writeU32(bytes, at, length);
  writeU32(bytes, at + 4, type | (flags << 8));
  writeU64(bytes, at + 8, requestId);
}

/** Longer texts are measured, because three bytes for each unit would waste memory. */
const LONG = 4 * 1024;

/** The most bytes that a text takes as a field. */
export const roomOf = (text: string): number => 4 + (text.length > LONG ? Buffer.byteLength(text) : UTF8_FACTOR * text.length);

/** One frame, field by field. `room`: the most bytes that its body can take. */
export class Writer {
  readonly #type: number;
  readonly #flags: number;
  readonly #requestId: number;
  readonly #bytes: Buffer;
  readonly #start: number;
  #at: number;

  constructor(type: number, flags: number, requestId: number, room: number) {
    this.#type = type;
    this.#flags = flags;
    this.#requestId = requestId;
    const needed = HEADER_BYTES + room;
    if (needed > SLAB_BYTES / 2) {
      this.#bytes = Buffer.allocUnsafeSlow(needed);
      this.#start = 0;
    } else {
      if (free + needed > SLAB_BYTES) {
        slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
        free = 0;
      }
      this.#bytes = slab;
      this.#start = free;
    }
    this.#at = this.#start + HEADER_BYTES;
  }

  u32(value: number): this {
    writeU32(this.#bytes, this.#at, value);
    this.#at += 4;
    return this;
  }

  u64(value: number): this {
    writeU64(this.#bytes, this.#at, value);
    this.#at += 8;
    return this;
  }

  /** A text without its length: the last field. Throws PROTOCOL_ERROR for a lone surrogate, which UTF-8 cannot say. */
  raw(text: string): this {
    const at = this.#at;
    if (text.length <= SHORT) {
      let i = 0;
      for (; i < text.length; i += 1) {
        const unit = text.charCodeAt(i);
        if (unit > 0x7f) break;
        this.#bytes[at + i] = unit;
      }
      if (i === text.length) {
        this.#at = at + i;
        return this;
      }
    }
    if (!text.isWellFormed()) throw new SpearletError('PROTOCOL_ERROR', 'a lone surrogate cannot be sent: it is not text');
    this.#at = at + this.#bytes.write(text, at, text.length > LONG && Buffer.byteLength(text) === text.length ? 'latin1' : 'utf8');
    return this;
  }

  text(text: string): this {
    const at = this.#at;
    this.#at = at + 4;
    this.raw(text);
    writeU32(this.#bytes, at, this.#at - at - 4);
    return this;
  }

  /** Bytes without their length: the last field. */
  bytes(bytes: Uint8Array): this {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** The whole frame. */
  frame(): Buffer {
    const [bytes, start, end] = [this.#bytes, this.#start, this.#at];
    writeHeader(bytes, start, end - start - HEADER_BYTES, this.#type, this.#flags, this.#requestId);
    if (bytes === slab) free = end;
    return bytes.subarray(start, end);
  }

  /** The frame, or its pieces where the body is large. */
  encoded(): Buffer | Pieces {
    const body = this.#at - this.#start - HEADER_BYTES;
    if (body <= LARGE) return this.frame();
    const [type, flags, requestId] = [this.#type, this.#flags, this.#requestId];
    return new Pieces(this.#bytes.subarray(this.#start + HEADER_BYTES, this.#at), (length, isLast) => {
      const header = Buffer.allocUnsafe(HEADER_BYTES);
      writeHeader(header, 0, length, type, isLast ? flags : flags | MORE, requestId);
      return header;
    });
  }
}

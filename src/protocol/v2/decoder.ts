// Bytes ⇄ frames of wire v2: a header of 16 bytes, then the body. Large bodies arrive in pieces that are joined here. It does
// not know what a body holds.
import { SpearletError } from '../../errors.ts';
import type { Decoder } from '../codec.ts';
import { join, reuse } from './joined.ts';
import { type AllowedFlags, CONTROL, HEADER_BYTES, MORE } from './types.ts';

/** The bodies that may be unfinished at once. A sender has no more large bodies on the way than this. */
export const MAX_UNFINISHED = 4;
const MAX_HIGH = 2 ** 21;

/** Gets a whole body as a range of a buffer. It may keep no reference to the buffer after it returns. */
export type Deliver<Receiver> = (
  reader: FrameReader<Receiver>,
  type: number,
  flags: number,
  requestId: number,
  buffer: Buffer,
  from: number,
  to: number,
) => void;

interface Unfinished {
  /** Type and flags, as in the header. */
  readonly kind: number;
  readonly parts: Buffer[];
  bytes: number;
}

/** Parts below this size are joined with their neighbours, so that a body in single bytes costs no object for each, in bytes. */
const SMALL_PART = 16 * 1024;

/** Adds a part to a body. Each byte is copied a few times at most until its part is large enough. */
function append(parts: Buffer[], part: Buffer): void {
  let last = part;
  while (last.length < SMALL_PART && parts.length > 0 && parts.at(-1)!.length <= 2 * last.length)
    last = Buffer.concat([parts.pop()!, last]);
  parts.push(last);
}

export const fault = (message: string): SpearletError => new SpearletError('PROTOCOL_ERROR', message);

export const readU32 = (bytes: Buffer, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)) + bytes[at + 3]! * 0x1000000;

/** Throws PROTOCOL_ERROR for a number that JavaScript cannot hold exactly. */
export function readU64(bytes: Buffer, at: number): number {
  const high = readU32(bytes, at + 4);
  if (high >= MAX_HIGH) throw fault('a number of 2^53 or more');
  return high * 2 ** 32 + readU32(bytes, at);
}

/** A class, because V8 reads an object literal with getters slowly. */
export class FrameReader<Receiver> implements Decoder<Receiver> {
  receiver: Receiver;
  limit: number;
  /** The number of whole messages so far, and of those that count. */
  frames = 0;
  counted = 0;
  /** Told how many counted messages the other end has. */
  readonly acknowledged: (count: number) => void;
  readonly #allowed: AllowedFlags;
  readonly #deliver: Deliver<Receiver>;
  // A frame that has not arrived whole: its header, and the parts of its body as they came.
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #bodyBytes = 0;
  readonly #unfinished = new Map<number, Unfinished>();
  #unfinishedBytes = 0;
  #paused = false;
  #broken = false;
  #kept: Buffer[] = [];

  constructor(limit: number, receiver: Receiver, acknowledged: (count: number) => void, allowed: AllowedFlags, deliver: Deliver<Receiver>) {
    this.limit = limit;
    this.receiver = receiver;
    this.acknowledged = acknowledged;
    this.#allowed = allowed;
    this.#deliver = deliver;
  }

  get unfinished(): number {
    return this.#headerBytes + this.#partBytes + this.#unfinishedBytes;
  }

  push(chunk: Buffer): void {
    if (this.#broken) return;
    if (this.#paused) {
      this.#kept.push(chunk);
      return;
    }
    try {
      this.#read(chunk);
    } catch (thrown) {
      // The stream cannot be read on, so what was kept is no longer of use.
      this.#broken = true;
      this.#kept = [];
      this.#parts = [];
      this.#unfinished.clear();
      throw thrown;
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const chunk of this.rest()) this.push(chunk);
  }

  rest(): Buffer[] {
    const waiting = this.#kept;
    this.#kept = [];
    return waiting;
  }

  /** Forgets the pieces of a body whose sender has given it up. False: there are none. */
  forget(requestId: number): boolean {
    if (this.#unfinished.size === 0) return false;
    this.#unfinishedBytes -= this.#unfinished.get(requestId)?.bytes ?? 0;
    return this.#unfinished.delete(requestId);
  }

  #read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#paused) {
        this.#kept.push(chunk.subarray(at));
        return;
      }
      if (this.#headerBytes > 0 || chunk.length - at < HEADER_BYTES) {
        at = this.#fill(chunk, at);
        continue;
      }
      const start = at + HEADER_BYTES;
      const end = start + this.#checked(chunk, at);
      if (end > chunk.length) at = this.#fill(chunk, at);
      else {
        const head = at;
        at = end;
        if (this.#isPiece(chunk, head)) this.#join(chunk, head, start === end ? [] : [chunk.subarray(start, end)], end - start);
        else this.#dispatch(chunk, head, chunk, start, end);
      }
    }
  }

  /** The length of a body whose header is in order. Nothing is allocated for it: its parts are kept as they arrive. */
  #checked(head: Buffer, at: number): number {
    const length = readU32(head, at);
    const type = head[at + 4]!;
    const allowed = this.#allowed[type]!;
    if (allowed === -1) throw fault(`a frame of type 0x${type.toString(16).padStart(2, '0')}, which is not expected here`);
    if ((head[at + 5]! & ~allowed) !== 0) throw fault('a frame with a flag that its type does not have');
    if (head[at + 6] !== 0 || head[at + 7] !== 0) throw fault('a frame header whose reserved bytes are not zero');
    if (length > this.limit) throw new SpearletError('FRAME_TOO_LARGE', `a frame announces ${length} bytes, the bound is ${this.limit}`);
    return length;
  }

  #isPiece(head: Buffer, at: number): boolean {
    if ((head[at + 5]! & MORE) !== 0) return true;
    if (this.#unfinished.size === 0) return false;
    const body = this.#unfinished.get(readU64(head, at + 8));
    return body !== undefined && (body.kind & 0xff) === head[at + 4];
  }

  /** A piece of a body: kept, or the last one, with which the body is delivered. */
  #join(head: Buffer, at: number, pieces: Buffer[], bytes: number): void {
    const requestId = readU64(head, at + 8);
    const kind = head[at + 4]! | ((head[at + 5]! & ~MORE) << 8);
    const isLast = (head[at + 5]! & MORE) === 0;
    let body = this.#unfinished.get(requestId);
    if (body === undefined) {
      if (this.#unfinished.size >= MAX_UNFINISHED) throw fault(`more than ${MAX_UNFINISHED} unfinished bodies`);
      body = { kind, parts: [], bytes: 0 };
      this.#unfinished.set(requestId, body);
    } else if (body.kind !== kind) throw fault('a body whose pieces have different types or flags');
    body.bytes += bytes;
    this.#unfinishedBytes += bytes;
    if (body.bytes > this.limit)
      throw new SpearletError('FRAME_TOO_LARGE', `a body in pieces of ${body.bytes} bytes or more, the bound is ${this.limit}`);
    for (const each of pieces) append(body.parts, each);
    if (!isLast) {
      if (bytes === 0) throw fault('an empty piece that is not the last');
      return;
    }
    this.forget(requestId);
    this.frames += 1;
    this.counted += 1;
    const buffer = join(body.parts, body.bytes);
    this.#deliver(this, kind & 0xff, kind >>> 8, requestId, buffer, 0, body.bytes);
    reuse(buffer);
  }

  #dispatch(head: Buffer, at: number, buffer: Buffer, from: number, to: number): void {
    this.frames += 1;
    if (head[at + 4]! < CONTROL) this.counted += 1;
    this.#deliver(this, head[at + 4]!, head[at + 5]!, readU64(head, at + 8), buffer, from, to);
  }

  /** Goes on with the frame that has not arrived whole; returns where the next one begins. */
  #fill(chunk: Buffer, start: number): number {
    const header = this.#header;
    let at = start;
    if (this.#headerBytes < HEADER_BYTES) {
      const taken = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - at);
      chunk.copy(header, this.#headerBytes, at, at + taken);
      this.#headerBytes += taken;
      at += taken;
      if (this.#headerBytes < HEADER_BYTES) return at;
      this.#bodyBytes = this.#checked(header, 0);
    }
    const taken = Math.min(this.#bodyBytes - this.#partBytes, chunk.length - at);
    if (taken > 0) append(this.#parts, chunk.subarray(at, at + taken));
    this.#partBytes += taken;
    at += taken;
    if (this.#partBytes < this.#bodyBytes) return at;
    const [pieces, bytes] = [this.#parts, this.#bodyBytes];
    this.#headerBytes = 0;
    this.#parts = [];
    this.#partBytes = 0;
    if (this.#isPiece(header, 0)) this.#join(header, 0, pieces, bytes);
    else if (pieces.length === 1) this.#dispatch(header, 0, pieces[0]!, 0, bytes);
    else {
      const buffer = join(pieces, bytes);
      this.#dispatch(header, 0, buffer, 0, bytes);
      reuse(buffer);
    }
    return at;
  }
}

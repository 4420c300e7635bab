// Bytes ⇄ frames of wire v2: a header of 16 bytes, then the body. Large bodies arrive in pieces that are joined here. It does
// not know what a body holds.
import { SpearletError } from '../../errors.ts';
import type { Decoder } from '../codec.ts';

/** u32 length of the body, u8 type, u8 flags, u16 zero, u64 request id; all little-endian. */
export const HEADER_BYTES = 16;
/** More pieces of this body follow, in frames of the same type and request id. */
export const MORE = 1;
/** The bodies that may be unfinished at once. A sender has no more large bodies on the way than this. */
export const MAX_UNFINISHED = 4;
const MAX_HIGH = 2 ** 21;

/** Gets a whole body as a range of a buffer. It may keep no reference to the buffer after it returns. */
export type Deliver = (type: number, flags: number, requestId: number, buffer: Buffer, from: number, to: number) => void;

/** Control messages begin here. The others count: the sender keeps them until they are acknowledged. */
const CONTROL = 0x20;
export const isCounted = (frame: Buffer): boolean => frame[4]! < CONTROL;

export interface FrameReader extends Omit<Decoder<never>, 'receiver'> {
  /** Forgets the pieces of a body whose sender has given it up. False: there are none. */
  forget(requestId: number): boolean;
}

interface Unfinished {
  readonly type: number;
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

const fault = (message: string): SpearletError => new SpearletError('PROTOCOL_ERROR', message);

export const readU32 = (bytes: Buffer, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)) + bytes[at + 3]! * 0x1000000;

/** Throws PROTOCOL_ERROR for a number that JavaScript cannot hold exactly. */
export function readU64(bytes: Buffer, at: number): number {
  const high = readU32(bytes, at + 4);
  if (high >= MAX_HIGH) throw fault('a number of 2^53 or more');
  return high * 2 ** 32 + readU32(bytes, at);
}

export function createFrameReader(limit: number, deliver: Deliver): FrameReader {
  // A frame that has not arrived whole: its header, and the parts of its body as they came.
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  let parts: Buffer[] = [];
  let partBytes = 0;
  let bodyBytes = 0;
  const unfinished = new Map<number, Unfinished>();
  let unfinishedBytes = 0;
  let paused = false;
  let kept: Buffer[] = [];
  let frames = 0;
  let counted = 0;

  /** The length of a body. Nothing is allocated for it: its parts are kept as they arrive. */
  const announced = (head: Buffer, at: number): number => {
    const length = readU32(head, at);
    if (length > reader.limit)
      throw new SpearletError('FRAME_TOO_LARGE', `a frame announces ${length} bytes, the bound is ${reader.limit}`);
    if (head[at + 6] !== 0 || head[at + 7] !== 0) throw fault('a frame header whose reserved bytes are not zero');
    return length;
  };

  /** A piece of a body: kept, or the last one, with which the body is delivered. */
  const join = (head: Buffer, at: number, pieces: Buffer[], bytes: number): void => {
    const type = head[at + 4]!;
    const flags = head[at + 5]!;
    const requestId = readU64(head, at + 8);
    let body = unfinished.get(requestId);
    if (body === undefined) {
      if (unfinished.size >= MAX_UNFINISHED) throw fault(`more than ${MAX_UNFINISHED} unfinished bodies`);
      body = { type, parts: [], bytes: 0 };
      unfinished.set(requestId, body);
    } else if (body.type !== type) throw fault('a body whose pieces have different types');
    body.bytes += bytes;
    unfinishedBytes += bytes;
    if (body.bytes > reader.limit)
      throw new SpearletError('FRAME_TOO_LARGE', `a body in pieces of ${body.bytes} bytes or more, the bound is ${reader.limit}`);
    for (const each of pieces) append(body.parts, each);
    if ((flags & MORE) !== 0) {
      if (bytes === 0) throw fault('an empty piece that is not the last');
      return;
    }
    reader.forget(requestId);
    frames += 1;
    counted += 1;
    deliver(type, flags, requestId, Buffer.concat(body.parts, body.bytes), 0, body.bytes);
  };

  const dispatch = (head: Buffer, at: number, buffer: Buffer, from: number, to: number): void => {
    frames += 1;
    if (head[at + 4]! < CONTROL) counted += 1;
    deliver(head[at + 4]!, head[at + 5]!, readU64(head, at + 8), buffer, from, to);
  };

  const isPiece = (head: Buffer, at: number): boolean =>
    (head[at + 5]! & MORE) !== 0 || (unfinished.size > 0 && unfinished.get(readU64(head, at + 8))?.type === head[at + 4]!);

  /** Goes on with the frame that has not arrived whole; returns where the next one begins. */
  const fill = (chunk: Buffer, start: number): number => {
    let at = start;
    if (headerBytes < HEADER_BYTES) {
      const taken = Math.min(HEADER_BYTES - headerBytes, chunk.length - at);
      chunk.copy(header, headerBytes, at, at + taken);
      headerBytes += taken;
      at += taken;
      if (headerBytes < HEADER_BYTES) return at;
      bodyBytes = announced(header, 0);
    }
    const taken = Math.min(bodyBytes - partBytes, chunk.length - at);
    if (taken > 0) append(parts, chunk.subarray(at, at + taken));
    partBytes += taken;
    at += taken;
    if (partBytes < bodyBytes) return at;
    const [pieces, bytes] = [parts, bodyBytes];
    headerBytes = 0;
    parts = [];
    partBytes = 0;
    if (isPiece(header, 0)) join(header, 0, pieces, bytes);
    else dispatch(header, 0, pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes), 0, bytes);
    return at;
  };

  const read = (chunk: Buffer): void => {
    let at = 0;
    while (at < chunk.length) {
      if (paused) {
        kept.push(chunk.subarray(at));
        return;
      }
      if (headerBytes > 0 || chunk.length - at < HEADER_BYTES) {
        at = fill(chunk, at);
        continue;
      }
      const start = at + HEADER_BYTES;
      const end = start + announced(chunk, at);
      if (end > chunk.length) at = fill(chunk, at);
      else {
        const head = at;
        at = end;
        if (isPiece(chunk, head)) join(chunk, head, [chunk.subarray(start, end)], end - start);
        else dispatch(chunk, head, chunk, start, end);
      }
    }
  };

  const reader: FrameReader = {
    limit,
    get frames() {
      return frames;
    },
    get counted() {
      return counted;
    },
    get unfinished() {
      return headerBytes + partBytes + unfinishedBytes;
    },
    push(chunk) {
      if (paused) kept.push(chunk);
      else read(chunk);
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      for (const chunk of this.rest()) this.push(chunk);
    },
    rest() {
      const waiting = kept;
      kept = [];
      return waiting;
    },
    forget(requestId) {
      unfinishedBytes -= unfinished.get(requestId)?.bytes ?? 0;
      return unfinished.delete(requestId);
    },
  };
  return reader;
}

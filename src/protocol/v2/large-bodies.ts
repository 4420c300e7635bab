// Large bodies of wire v2, which arrive in pieces, and other parts of bodies that are joined.
import { SpearletError } from '../../errors.ts';
import { MAX_UNFINISHED } from '../pieces.ts';
import { join } from './joined.ts';
import { fault } from './numbers.ts';

/** Parts below this size are joined with their neighbours, so that a body in single bytes costs no object for each, in bytes. */
const SMALL_PART = 16 * 1024;

interface Unfinished {
  /** Type and flags, as in the header. */
  readonly kind: number;
  readonly parts: Buffer[];
  bytes: number;
}

/** Adds a part to a body. Each byte is copied a few times at most until its part is large enough. */
export function append(parts: Buffer[], part: Buffer): void {
  let last = part;
  while (last.length < SMALL_PART && parts.length > 0 && parts.at(-1)!.length <= 2 * last.length)
    last = Buffer.concat([parts.pop()!, last]);
  parts.push(last);
}

/** The bodies of one connection that have not arrived whole, by request id. */
export class LargeBodies {
  readonly #unfinished = new Map<number, Unfinished>();
  /** Their bytes so far. */
  bytes = 0;

  get isEmpty(): boolean {
    return this.#unfinished.size === 0;
  }

  has(requestId: number, type: number): boolean {
    const body = this.#unfinished.get(requestId);
    return body !== undefined && (body.kind & 0xff) === type;
  }

  /**
   * Adds a piece. Returns the whole body, in a buffer that may be longer, where the piece is the last one; else null. Throws
   * PROTOCOL_ERROR, and FRAME_TOO_LARGE for a body above `limit`.
   */
  add(requestId: number, kind: number, pieces: readonly Buffer[], bytes: number, isLast: boolean, limit: number): Whole | null {
    let body = this.#unfinished.get(requestId);
    if (body === undefined) {
      if (this.#unfinished.size >= MAX_UNFINISHED) throw fault(`more than ${MAX_UNFINISHED} unfinished bodies`);
      body = { kind, parts: [], bytes: 0 };
      this.#unfinished.set(requestId, body);
    } else if (body.kind !== kind) throw fault('a body whose pieces have different types or flags');
    body.bytes += bytes;
    this.bytes += bytes;
    if (body.bytes > limit)
      throw new SpearletError('FRAME_TOO_LARGE', `a body in pieces of ${body.bytes} bytes or more, the bound is ${limit}`);
    for (const each of pieces) append(body.parts, each);
    if (isLast) {
      this.forget(requestId);
      return { buffer: join(body.parts, body.bytes), bytes: body.bytes };
    }
    if (bytes === 0) throw fault('an empty piece that is not the last');
    return null;
  }

  /** Forgets the pieces of a body whose sender has given it up. False: there are none. */
  forget(requestId: number): boolean {
    if (this.#unfinished.size === 0) return false;
    this.bytes -= this.#unfinished.get(requestId)?.bytes ?? 0;
    return this.#unfinished.delete(requestId);
  }

  clear(): void {
    this.#unfinished.clear();
  }
}

export interface Whole {
  readonly buffer: Buffer;
  readonly bytes: number;
}

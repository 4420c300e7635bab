// Reads the fields of a body of wire v2, in order.
import { strictTextOf } from '../text.ts';
import { fault, readU32, readU64 } from './decoder.ts';

/** Reads the fields of a body. Throws PROTOCOL_ERROR where the body ends before a field does. */
export class Reader {
  #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw fault('a body ends in the middle of a field');
    this.#at = at + length;
    return at;
  }
  u32(): number {
    return readU32(this.#bytes, this.#take(4));
  }
  i32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }
  u64(): number {
    return readU64(this.#bytes, this.#take(8));
  }
  text(): string {
    const length = this.u32();
    const at = this.#take(length);
    return strictTextOf(this.#bytes, at, at + length);
  }
  /** A count of fields that take at least `size` bytes each: more than the body can hold is refused before any is read. */
  count(size: number): number {
    const count = this.u32();
    if (count * size > this.#end - this.#at) throw fault('a body ends before its last field');
    return count;
  }
  rest(): Buffer {
    return this.#bytes.subarray(this.#at, this.#end);
  }
  restText(): string {
    return strictTextOf(this.#bytes, this.#at, this.#end);
  }
  end(): void {
    if (this.#at !== this.#end) throw fault('a body with bytes behind its last field');
  }
}

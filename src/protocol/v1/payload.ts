// The payload of a frame: bytes as a JSON array of numbers, in both directions. It knows no message.
import { CLOSE_ARRAY, COMMA, fault, OPEN_ARRAY, peek, type Read, take } from './json.ts';

const ZERO = 0x30;
/** A number and its comma take at most 4 characters. */
export const EXPANSION = 4;

// Each byte as decimal digits and a comma, four characters in one little-endian integer; and how many of them count.
const NUMBERS = new Uint32Array(256);
const WIDTHS = new Uint8Array(256);
for (let value = 0; value < 256; value += 1) {
  const text = `${value},`;
  WIDTHS[value] = text.length;
  NUMBERS[value] = Buffer.from(text.padEnd(EXPANSION)).readUInt32LE();
}

/**
 * Writes the last `count` of `room` bytes behind `start` as numbers, from `start` on, each with a comma behind it. Returns the
 * end. `room` is at least EXPANSION * count, so no byte is overwritten before it is read. A DataView, because its 32-bit write
 * is one instruction.
 */
export function writeNumbers(view: DataView, start: number, room: number, count: number): number {
  let at = start;
  const end = start + room;
  for (let from = end - count; from < end; from += 1) {
    const value = view.getUint8(from);
    view.setUint32(at, NUMBERS[value]!, true);
    at += WIDTHS[value]!;
  }
  return at;
}

/**
 * An array of numbers 0..255 as bytes. They are written over the text they were read from (a byte needs at least two
 * characters), so nothing is allocated; the text behind the cursor is gone afterwards.
 */
export const readByteArray: Read<Buffer> = cursor => {
  take(cursor, OPEN_ARRAY, 'an array of bytes');
  const { bytes } = cursor;
  const start = cursor.at - 1;
  let filled = start;
  if (peek(cursor) === CLOSE_ARRAY) {
    cursor.at += 1;
    return bytes.subarray(start, start);
  }
  const last = bytes.length - EXPANSION;
  for (;;) {
    let at = cursor.at;
    // Numbers as serde writes them, without white space. Everything else is for the code below: the last one, and every fault.
    while (at <= last) {
      const hundreds = bytes[at]! - ZERO;
      const second = bytes[at + 1]!;
      if (hundreds >>> 0 > 9) break;
      if (second === COMMA) {
        bytes[filled++] = hundreds;
        at += 2;
        continue;
      }
      const tens = second - ZERO;
      if (tens >>> 0 > 9 || hundreds === 0) break;
      const third = bytes[at + 2]!;
      if (third === COMMA) {
        bytes[filled++] = hundreds * 10 + tens;
        at += 3;
        continue;
      }
      const ones = third - ZERO;
      const value = hundreds * 100 + tens * 10 + ones;
      if (ones >>> 0 > 9 || value > 255 || bytes[at + 3] !== COMMA) break;
      bytes[filled++] = value;
      at += 4;
    }
    cursor.at = at;
    peek(cursor);
    at = cursor.at;
    let value = 0;
    let byte = bytes[at];
    while (byte !== undefined && byte >= ZERO && byte <= 0x39 && value <= 255) {
      value = value * 10 + byte - ZERO;
      at += 1;
      byte = bytes[at];
    }
    const count = at - cursor.at;
    if (count === 0 || value > 255 || (count > 1 && bytes[cursor.at] === ZERO)) throw fault(cursor, 'expected a number 0..255');
    bytes[filled++] = value;
    cursor.at = at;
    const next = peek(cursor);
    cursor.at += 1;
    if (next === CLOSE_ARRAY) return bytes.subarray(start, filled);
    if (next !== COMMA) {
      cursor.at -= 1;
      throw fault(cursor, "expected ',' or ']' among bytes");
    }
  }
};

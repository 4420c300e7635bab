// A strict JSON reader over bytes. Its caller says which type comes next, as with serde. It knows values, not structs (struct.ts).
// JSON.parse cannot serve: it loses integers above 2^53, duplicate fields, and the difference between 1, 1.0 and -0.
import { isUtf8 } from 'node:buffer';
import { SpearletError } from '../../errors.ts';

/** A position in a text: `at` moves, `bytes` may be overwritten behind it. */
export interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/** Reads one value, moving past it. Throws PROTOCOL_ERROR. */
export type Read<T> = (cursor: Cursor) => T;

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const LETTER_N = 0x6e;
/** Says what was expected and never what was found: that may be a token in the wrong place, or an escape sequence. */
export const fault = (cursor: Cursor, what: string): SpearletError => new SpearletError('PROTOCOL_ERROR', `${what} at byte ${cursor.at}`);

/** Reads a whole text: one value, and nothing but white space around it. */
export function readWhole<T>(bytes: Buffer, read: Read<T>): T {
  const cursor: Cursor = { bytes, at: 0 };
  const value = read(cursor);
  if (peek(cursor) !== -1) throw fault(cursor, 'trailing characters');
  return value;
}

/** The next byte that is not white space, left in place; -1 at the end. */
export function peek(cursor: Cursor): number {
  const { bytes } = cursor;
  let at = cursor.at;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
      cursor.at = at;
      return byte;
    }
    at += 1;
  }
  cursor.at = at;
  return -1;
}

export function take(cursor: Cursor, byte: number, what: string): void {
  if (peek(cursor) !== byte) throw fault(cursor, `expected ${what}`);
  cursor.at += 1;
}

/** Whether these characters, all of them ASCII, stand here. */
export function isWord({ bytes, at }: Cursor, word: string): boolean {
  for (let i = 0; i < word.length; i += 1) if (bytes[at + i] !== word.charCodeAt(i)) return false;
  return true;
}

export function takeWord(cursor: Cursor, word: string): void {
  if (!isWord(cursor, word)) throw fault(cursor, 'expected a value');
  cursor.at += word.length;
}

/** 1 for the bytes that mean nothing but themselves in a string: most of them, and so passed by the shortest way. */
export const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

/** Moves past a string, checking its escapes, and says whether it has escapes (2) or bytes beyond ASCII (1). */
export function scanString(cursor: Cursor): number {
  if (peek(cursor) !== QUOTE) throw fault(cursor, 'expected a string');
  const { bytes } = cursor;
  const { length } = bytes;
  let traits = 0;
  let at = cursor.at + 1;
  for (; at < length; at += 1) {
    let byte = bytes[at]!;
    while (PLAIN[byte] === 1 && at + 1 < length) {
      at += 1;
      byte = bytes[at]!;
    }
    if (byte === QUOTE) {
      cursor.at = at + 1;
      return traits;
    }
    if (byte === BACKSLASH) {
      traits |= 2;
      at += 1;
      const escaped = bytes[at];
      if (escaped === 0x75) {
        if (!/^[0-9a-fA-F]{4}$/.test(bytes.toString('latin1', at + 1, at + 5))) break;
        at += 4;
      } else if (escaped === undefined || !'"\\/bfnrt'.includes(String.fromCharCode(escaped))) break;
    } else if (byte < 0x20) {
      cursor.at = at;
      throw fault(cursor, 'control character in a string');
    } else if (byte >= 0x80) traits |= 1;
  }
  cursor.at = Math.min(at, bytes.length);
  throw fault(cursor, at >= bytes.length ? 'unfinished string' : 'invalid escape');
}

export const readString: Read<string> = cursor => {
  peek(cursor);
  const start = cursor.at;
  const traits = scanString(cursor);
  const { bytes, at: end } = cursor;
  if (traits === 0) return bytes.toString('latin1', start + 1, end - 1);
  // Decoding replaces invalid UTF-8 by U+FFFD, so validity is checked only if the text contains it.
  const raw = bytes.toString('utf8', start, end);
  if (raw.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) throw fault(cursor, 'invalid UTF-8 in a string');
  if ((traits & 2) === 0) return raw.slice(1, -1);
  const text: string = JSON.parse(raw);
  if (!text.isWellFormed()) throw fault(cursor, 'lone surrogate in a string');
  return text;
};

export const readBoolean: Read<boolean> = cursor => {
  const value = peek(cursor) === 0x74;
  takeWord(cursor, value ? 'true' : 'false');
  return value;
};

/** An integer within bounds: a number where it is exact, a bigint beyond. `1.0`, `1e3`, `-0` and `01` are none. */
export function readInteger(min: bigint, max: bigint): Read<number | bigint> {
  // A comparison of a number and a bigint is slow. What is compared here is exact: it has 15 digits at most.
  const [least, most] = [Number(min), Number(max)];
  return cursor => {
    const { bytes } = cursor;
    const negative = peek(cursor) === 0x2d;
    const start = cursor.at;
    let at = negative ? start + 1 : start;
    const digits = at;
    let value = 0;
    let byte = bytes[at];
    while (byte !== undefined && byte >= 0x30 && byte <= 0x39) {
      value = value * 10 + byte - 0x30;
      at += 1;
      byte = bytes[at];
    }
    const count = at - digits;
    if (count === 0 || (count > 1 && bytes[digits] === 0x30) || byte === 0x2e || byte === 0x65 || byte === 0x45)
      throw fault(cursor, 'expected an integer');
    if (negative && value === 0) throw fault(cursor, 'expected an integer, found -0');
    let result: number | bigint = negative ? -value : value;
    if (count > 15) {
      const exact = count <= 20 ? BigInt(bytes.toString('latin1', start, at)) : max + 1n;
      result = exact <= BigInt(Number.MAX_SAFE_INTEGER) && exact >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(exact) : exact;
    }
    if (typeof result === 'number' && count <= 15 ? result < least || result > most : result < min || result > max)
      throw fault(cursor, `integer not in ${min}..${max}`);
    cursor.at = at;
    return result;
  };
}

export function optional<T>(read: Read<T>): Read<T | null> {
  return cursor => {
    if (peek(cursor) !== LETTER_N) return read(cursor);
    takeWord(cursor, 'null');
    return null;
  };
}

/** A name out of a list, also in serde's long form `{"Name":null}`. */
export function readName<T extends string>(names: readonly T[]): Read<T> {
  const known = new Set<string>(names);
  const literals = names.map(name => `"${name}"`);
  return cursor => {
    const long = peek(cursor) === OPEN_OBJECT;
    if (long) cursor.at += 1;
    else
      for (let i = 0; i < literals.length; i += 1)
        if (isWord(cursor, literals[i]!)) {
          cursor.at += literals[i]!.length;
          return names[i]!;
        }
    const name = readString(cursor);
    if (!known.has(name)) throw fault(cursor, `expected one of ${names.join(', ')}`);
    if (long) {
      take(cursor, COLON, "':'");
      if (peek(cursor) !== LETTER_N) throw fault(cursor, 'expected null');
      takeWord(cursor, 'null');
      take(cursor, CLOSE_OBJECT, "'}'");
    }
    return name as T;
  };
}

/** Calls `element` at the start of each element of an array. */
export function eachElement(cursor: Cursor, element: () => void): void {
  take(cursor, OPEN_ARRAY, 'an array');
  if (peek(cursor) === CLOSE_ARRAY) {
    cursor.at += 1;
    return;
  }
  for (;;) {
    element();
    const next = peek(cursor);
    cursor.at += 1;
    if (next === CLOSE_ARRAY) return;
    if (next !== COMMA) {
      cursor.at -= 1;
      throw fault(cursor, "expected ',' or ']'");
    }
  }
}

export const readStrings: Read<string[]> = cursor => {
  const strings: string[] = [];
  eachElement(cursor, () => strings.push(readString(cursor)));
  return strings;
};

/** An object of strings as a Map, so that `__proto__` and integer-like keys survive; of a key given twice the last value counts. */
export const readStringMap: Read<Map<string, string>> = cursor => {
  const map = new Map<string, string>();
  take(cursor, OPEN_OBJECT, 'an object');
  if (peek(cursor) === CLOSE_OBJECT) {
    cursor.at += 1;
    return map;
  }
  for (;;) {
    const key = readString(cursor);
    take(cursor, COLON, "':'");
    map.set(key, readString(cursor));
    if (peek(cursor) === CLOSE_OBJECT) {
      cursor.at += 1;
      return map;
    }
    take(cursor, COMMA, "',' or '}'");
  }
};

// Moves past the values of unknown fields. Their syntax is checked, their content is not.
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  type Cursor,
  fault,
  LETTER_N,
  OPEN_ARRAY,
  OPEN_OBJECT,
  peek,
  QUOTE,
  readBoolean,
  scanString,
  take,
  takeWord,
} from './json.ts';

/** The deepest nesting in an unknown field. serde_json ignores any depth; no legitimate sender nests deeper. */
const MAX_DEPTH = 128;

/** Moves past one value. There is no recursion, so depth costs no stack. */
export function skipValue(cursor: Cursor): void {
  const open: number[] = [];
  for (;;) {
    const first = peek(cursor);
    if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
      if (open.length >= MAX_DEPTH) throw fault(cursor, `nested deeper than ${MAX_DEPTH}`);
      cursor.at += 1;
      const closing = first === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
      if (peek(cursor) === closing) cursor.at += 1;
      else {
        open.push(closing);
        if (closing === CLOSE_OBJECT) skipKey(cursor);
        continue;
      }
    } else if (first === QUOTE) scanString(cursor);
    else if (first === LETTER_N) takeWord(cursor, 'null');
    else if (first === 0x74 || first === 0x66) readBoolean(cursor);
    else skipNumber(cursor);
    // After a value: close what ends here, or go on to the next element.
    for (;;) {
      const closing = open.at(-1);
      if (closing === undefined) return;
      if (peek(cursor) !== closing) {
        take(cursor, COMMA, "',' or the end of a value");
        if (closing === CLOSE_OBJECT) skipKey(cursor);
        break;
      }
      cursor.at += 1;
      open.pop();
    }
  }
}

function skipKey(cursor: Cursor): void {
  scanString(cursor);
  take(cursor, COLON, "':'");
}

/** How many digits stand from `at` on. */
function digits(bytes: Buffer, at: number): number {
  let end = at;
  for (let byte = bytes[end]; byte !== undefined && byte >= 0x30 && byte <= 0x39; byte = bytes[end]) end += 1;
  return end - at;
}

function skipNumber(cursor: Cursor): void {
  const { bytes } = cursor;
  let at = bytes[cursor.at] === 0x2d ? cursor.at + 1 : cursor.at;
  const whole = digits(bytes, at);
  if (whole === 0 || (whole > 1 && bytes[at] === 0x30)) throw fault(cursor, 'expected a value');
  at += whole;
  if (bytes[at] === 0x2e) {
    const fraction = digits(bytes, at + 1);
    if (fraction === 0) throw fault(cursor, 'expected digits after the point');
    at += 1 + fraction;
  }
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    at += bytes[at + 1] === 0x2b || bytes[at + 1] === 0x2d ? 2 : 1;
    const exponent = digits(bytes, at);
    if (exponent === 0) throw fault(cursor, 'expected an exponent');
    at += exponent;
  }
  cursor.at = at;
}

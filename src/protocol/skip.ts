// Moves past JSON that nobody asked for. Its syntax is checked, its content is not.
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

/** The deepest nesting read in a field that nobody knows: serde_json's own limit. */
const MAX_DEPTH = 128;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

/** Moves past a value that nobody asked for: its syntax is checked, its content is not. No recursion: depth costs no stack. */
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

function skipNumber(cursor: Cursor): void {
  const { bytes } = cursor;
  let end = cursor.at;
  while (end < bytes.length && '+-.0123456789Ee'.includes(String.fromCharCode(bytes[end]!))) end += 1;
  const text = bytes.toString('latin1', cursor.at, end);
  NUMBER.lastIndex = 0;
  if (text === '' || NUMBER.exec(text)?.[0] !== text) throw fault(cursor, 'expected a value');
  cursor.at = end;
}

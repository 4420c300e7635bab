// Text that comes from elsewhere, made fit to be read: on a terminal, in a log line, inside a sentence of ours. It knows
// nothing of where the text came from.

/**
 * What can move a cursor, colour a terminal, begin a new line or turn the direction of reading: C0, DEL, C1, the line
 * separators, the bidi controls; and lone surrogates, which no encoder takes.
 */
const UNSAFE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/u;

const escaped = (char: string): string => {
  const hex = char.codePointAt(0)!.toString(16);
  return hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`;
};

/** The text with such characters as `\xNN` or `\u{…}`. At most `max` UTF-16 units of it: `…` stands for the rest. */
export function printable(text: string, max: number): string {
  let shown = '';
  for (const char of text) {
    const next = UNSAFE.test(char) ? escaped(char) : char;
    if (shown.length + next.length > max) return `${shown}…`;
    shown += next;
  }
  return shown;
}

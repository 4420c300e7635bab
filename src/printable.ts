// Text from elsewhere, made safe to show: nothing in it can move a cursor, begin a new line or turn the reading direction.

/** C0, DEL and C1 controls, line and paragraph separators, marks of direction, the byte order mark. */
const CONTROLS = '\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff';
const UNSAFE = new RegExp(`[${CONTROLS}]|\\p{Surrogate}`, 'u');
/** JSON has no other control in it than the newline that may end it. */
const UNSAFE_IN_JSON = new RegExp(`(?!\\n)[${CONTROLS}]`, 'g');

const escaped = (character: string): string => {
  const code = character.codePointAt(0)!;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
};

/**
 * On one line, and what a terminal would act on shown as \xNN or \u{…}. A text longer than `max` characters ends with '…'
 * and has `max` in all; no character and no escape is cut in two.
 */
export function printable(text: string, max: number): string {
  if (text.length <= max && !UNSAFE.test(text)) return text;
  let shown = '';
  /** What stays of it if it turns out to be too long. */
  let short = 0;
  for (const character of text) {
    shown += UNSAFE.test(character) ? escaped(character) : character;
    if (shown.length > max) return `${shown.slice(0, short)}…`;
    if (shown.length < max) short = shown.length;
  }
  return shown;
}

/** JSON as JSON.stringify makes it, with the same characters as \uNNNN: it means the same, and is safe to show. */
export const printableJson = (json: string): string =>
  json.replace(UNSAFE_IN_JSON, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

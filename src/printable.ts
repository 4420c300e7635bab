// Escapes text from agents, programs and files: it cannot move a cursor, begin a new line or change the reading direction.

/** C0, DEL and C1 controls, line and paragraph separators, direction marks, and the byte order mark. */
const CONTROLS = '\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff';
const UNSAFE = new RegExp(`[${CONTROLS}]|\\p{Surrogate}`, 'u');
/** A line of JSON holds no raw control except the newline at its end, which stays. */
const UNSAFE_IN_JSON = new RegExp(`(?!\\n)[${CONTROLS}]`, 'g');

const escaped = (character: string): string => {
  const code = character.codePointAt(0)!;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
};

/**
 * Returns one line of at most `max` characters, in which \xNN or \u{…} replaces each character that a terminal would act on.
 * A longer text is cut and ends with '…'; the cut never splits a character or an escape.
 */
export function printable(text: string, max: number): string {
  if (text.length <= max && !UNSAFE.test(text)) return text;
  let shown = '';
  /** Where the text is cut if it is too long. */
  let cutAt = 0;
  for (const character of text) {
    shown += UNSAFE.test(character) ? escaped(character) : character;
    if (shown.length > max) return `${shown.slice(0, cutAt)}…`;
    if (shown.length < max) cutAt = shown.length;
  }
  return shown;
}

/** Escapes the same characters in the output of JSON.stringify as \uNNNN. The JSON keeps its meaning. */
export const printableJson = (json: string): string =>
  json.replace(UNSAFE_IN_JSON, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

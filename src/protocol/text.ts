// Decodes bytes to text, in the cheapest way that their size and content allow.
import { isAscii, isUtf8 } from 'node:buffer';
import { SpearletError } from '../errors.ts';

/** Longer texts are checked for ASCII first, because ASCII is decoded faster. In bytes. */
const LONG = 256;

/** Decodes UTF-8; other bytes become U+FFFD. */
export function textOf(bytes: Buffer, from = 0, to = bytes.length): string {
  if (to - from < LONG) return bytes.toString('utf8', from, to);
  const isWhole = from === 0 && to === bytes.length;
  return bytes.toString(isAscii(isWhole ? bytes : bytes.subarray(from, to)) ? 'latin1' : 'utf8', from, to);
}

/** Decodes UTF-8. Throws PROTOCOL_ERROR for other bytes. */
export function strictTextOf(bytes: Buffer, from: number, to: number): string {
  const text = textOf(bytes, from, to);
  // Decoding replaces invalid UTF-8 by U+FFFD, so validity is checked only if the text contains it.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(from, to))) throw new SpearletError('PROTOCOL_ERROR', 'a text that is not UTF-8');
  return text;
}

// Bytes to text, by the cheap way where there is one.
import { isAscii } from 'node:buffer';

/** Longer texts are checked for ASCII first, because ASCII is decoded faster. In bytes. */
const LONG = 256;

/** Decodes UTF-8; other bytes become U+FFFD. */
export function textOf(bytes: Buffer, from: number, to: number): string {
  if (to - from < LONG || !isAscii(bytes.subarray(from, to))) return bytes.toString('utf8', from, to);
  return bytes.toString('latin1', from, to);
}

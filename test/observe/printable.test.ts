// What is shown of a text that comes from elsewhere.
import { expect, test } from 'vitest';
import { printable } from '../../src/printable.ts';

test.each([
  ['a line\nand another\r\n', 'a line\\x0aand another\\x0d\\x0a'],
  ['\u001b[2J\u001b]0;title\u0007', '\\x1b[2J\\x1b]0;title\\x07'],
  ['DEL \u007f, C1 \u009b31m', 'DEL \\x7f, C1 \\x9b31m'],
  ['\u2028\u2029', '\\u{2028}\\u{2029}'],
  ['\u202egpj.exe\u202c \u2066x\u2069 \u200f\u061c', '\\u{202e}gpj.exe\\u{202c} \\u{2066}x\\u{2069} \\u{200f}\\u{61c}'],
  ['lone \ud800 and \udc00', 'lone \\u{d800} and \\u{dc00}'],
  ['Grüße, 世界 😀', 'Grüße, 世界 😀'],
])('%j is shown as %s', (text, shown) => expect(printable(text, 200)).toBe(shown));

test('a text is cut at its bound, between characters and never within an escape', () => {
  expect(printable('x'.repeat(1e6), 5)).toBe('xxxxx…');
  expect(printable('12345', 5)).toBe('12345');
  expect(printable('ab😀', 3)).toBe('ab…');
  expect(printable('ab\u001b', 5)).toBe('ab…');
});

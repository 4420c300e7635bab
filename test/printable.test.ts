import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, printableJson } from '../src/printable.ts';

const unsafe = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
const anyText = fc.string({
  unit: fc.oneof(
    fc.nat(0xffff).map(code => String.fromCharCode(code)),
    fc.constantFrom('\x1b', '\n', '😀', '\u202e'),
  ),
});

test('safe text stays unchanged', () => {
  for (const text of ['', 'plain', 'é 漢字 😀 \\ "quoted"']) expect(printable(text, 100)).toBe(text);
});

test('controls, separators, direction marks and lone surrogates are escaped', () => {
  expect(printable('\0\t\n\r\x1b\x7f\x9b', 100)).toBe('\\x00\\x09\\x0a\\x0d\\x1b\\x7f\\x9b');
  expect(printable('\u2028\u202e\u2066\u200f\ufeff\ud800x\udc00', 100)).toBe(
    '\\u{2028}\\u{202e}\\u{2066}\\u{200f}\\u{feff}\\u{d800}x\\u{dc00}',
  );
});

test('a long text is cut with an ellipsis, and the cut splits no character or escape', () => {
  expect(printable('abcdef', 6)).toBe('abcdef');
  expect(printable('abcdefg', 6)).toBe('abcde…');
  expect(printable('abcd😀efg', 6)).toBe('abcd…');
  expect(printable('abc\x1bdefg', 6)).toBe('abc…');
  expect(printable('\x1b'.repeat(1e6), 20)).toBe('\\x1b\\x1b\\x1b\\x1b…');
});

test('for any text, the result is one well-formed line within the maximum', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 40 }), (text, max) => {
      const shown = printable(text, max);
      expect(shown.length).toBeLessThanOrEqual(max);
      expect(shown.isWellFormed()).toBe(true);
      expect(shown).not.toMatch(unsafe);
    }),
  );
});

test('printable JSON keeps its meaning', () => {
  fc.assert(
    fc.property(anyText, text => {
      const json = printableJson(JSON.stringify({ text }));
      expect(json).not.toMatch(unsafe);
      expect(JSON.parse(json)).toEqual({ text });
    }),
  );
});

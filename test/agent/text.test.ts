// Decodes any bytes to text, in pieces of any size.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLossyDecoder } from '../../src/agent/text.ts';

/** Decodes the bytes in pieces that end at the cuts. */
function decode(bytes: Uint8Array, cuts: readonly number[]) {
  const decoder = createLossyDecoder();
  const ends = [...cuts.map(cut => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const text = ends.map((end, i) => decoder.add(Buffer.from(bytes.subarray(ends[i - 1] ?? 0, end)))).join('') + decoder.end();
  return { text, replaced: decoder.replaced };
}
// Mostly bytes that almost make a code point.
const byte = fc.oneof(
  fc.constantFrom(0x41, 0x80, 0xa0, 0xbf, 0xbd, 0xc3, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xff),
  fc.integer({ min: 0, max: 255 }),
);

test('decoding in pieces gives the same text as decoding all bytes at once', () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), fc.array(fc.nat(), { maxLength: 8 }), (each, cuts) => {
      const bytes = Uint8Array.from(each);
      const { text, replaced } = decode(bytes, cuts);
      expect(text).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
      expect(replaced > 0).toBe(!isText(bytes));
    }),
  );
});

test('valid text is not counted as replaced, not even U+FFFD itself', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'é', '€', '😀', '\ufffd', '\ufeff')), fc.array(fc.nat()), (each, cuts) => {
      expect(decode(Buffer.from(each.join('')), cuts)).toEqual({ text: each.join(''), replaced: 0 });
    }),
  );
});

test('each invalid byte sequence counts once', () => {
  expect(decode(Uint8Array.of(0xff, 0x41, 0xe2, 0x82, 0xef, 0xbf, 0xbd, 0xf0, 0x9f), [3, 5])).toEqual({
    text: '\ufffdA\ufffd\ufffd\ufffd',
    replaced: 3,
  });
});

function isText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

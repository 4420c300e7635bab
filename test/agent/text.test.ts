// Output of an agent as text: any bytes decoded in pieces of any size, whole code points only, cut where it has to be.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLossyDecoder, createTextJoiner, pieces } from '../../src/agent/text.ts';

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

const [high, low] = ['\ud83d', '\ude00'];

test('a code point that comes in two halves is joined, as a string and as bytes', () => {
  const strings = createTextJoiner();
  expect([strings.add(`a${high}`), strings.add(`${low}b`), strings.add('c')]).toEqual(['a', '😀b', 'c']);
  expect(() => strings.end()).not.toThrow();

  const bytes = createTextJoiner();
  const euro = Buffer.from('€');
  expect([bytes.add(euro.subarray(0, 1)), bytes.add(euro.subarray(1, 2)), bytes.add(euro.subarray(2))]).toEqual(['', '', '€']);
  expect(() => bytes.end()).not.toThrow();
});

test('a byte order mark is text like any other', () => {
  expect(createTextJoiner().add(Buffer.from('\ufeffx'))).toBe('\ufeffx');
});

test('an end in the middle of a code point is refused, as a string and as bytes', () => {
  for (const half of [high!, Buffer.from('€').subarray(0, 2)]) {
    const joiner = createTextJoiner();
    expect(joiner.add(half)).toBe('');
    expect(() => joiner.end()).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR', message: expect.stringContaining('code point') }));
  }
});

test('a half that finds no other half is no text', () => {
  for (const wrong of [['', `${low}`], ['', `${low}a`], [high!, 'a'], [high!, high!, 'a'], [`${high}a`]]) {
    const joiner = createTextJoiner();
    expect(() => wrong.map(piece => joiner.add(piece))).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  }
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80]])
    expect(() => createTextJoiner().add(Buffer.from(bytes))).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
});

test('pieces are as large as allowed, and never end in the middle of a code point', () => {
  expect(pieces('abcdefg', 3)).toEqual(['abc', 'def', 'g']);
  expect(pieces('abc', 3)).toEqual(['abc']);
  expect(pieces('', 3)).toEqual([]);
  expect(pieces('ab😀c', 3)).toEqual(['ab', '😀c']);
  expect(pieces('a😀', 3)).toEqual(['a😀']);
  expect(pieces('ab\udbff\udfff', 3)).toEqual(['ab', '\udbff\udfff']);
  expect(pieces('ab\ue000c', 3)).toEqual(['ab\ue000', 'c']);
  expect(pieces('ab\ud800\udc00', 3)).toEqual(['ab', '\ud800\udc00']);
});

test('a piece of one unit cannot spare half a code point, and still comes to an end', () => {
  expect(pieces('😀', 1).join('')).toBe('😀');
});

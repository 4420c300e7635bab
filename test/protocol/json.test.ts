// The JSON reader and the way past what nobody asked for, value by value.
import { describe, expect, test } from 'vitest';
import {
  eachElement,
  optional,
  type Read,
  readBoolean,
  readInteger,
  readName,
  readString,
  readStringMap,
  readStrings,
  readWhole,
} from '../../src/protocol/v1/json.ts';
import { readByteArray } from '../../src/protocol/v1/payload.ts';
import { skipValue } from '../../src/protocol/v1/skip.ts';

const whole = <T>(read: Read<T>, text: string | Buffer): T => readWhole(Buffer.from(text as string), read);
const refused = (message: RegExp | string = /./) =>
  expect.objectContaining({ code: 'PROTOCOL_ERROR', message: typeof message === 'string' ? message : expect.stringMatching(message) });

describe('an integer', () => {
  const i64 = readInteger(-(2n ** 63n), 2n ** 63n - 1n);

  test('is a number where that is exact, a bigint beyond, on both sides of zero', () => {
    for (const value of [0, 7, -7, 999_999_999_999_999, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])
      expect(whole(i64, String(value))).toBe(value);
    for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) expect(whole(i64, String(value))).toBe(value);
  });

  test('is refused one beyond its bounds, and read at them', () => {
    const small = readInteger(-5n, 5n);
    expect([whole(small, '5'), whole(small, '-5')]).toEqual([5, -5]);
    for (const text of ['6', '-6', '123456789012345678901234567890']) expect(() => whole(small, text)).toThrow(refused(/not in -5\.\.5/));
    for (const value of [2n ** 63n, -(2n ** 63n) - 1n]) expect(() => whole(i64, String(value))).toThrow(refused(/not in/));
  });

  test.each(['1.0', '1e3', '1E3', '01', '-', '', 'x', '-01', '+1'])('is not %j', text => {
    expect(() => whole(i64, text)).toThrow(refused(/expected an integer at/));
  });

  test('is not -0', () => {
    expect(() => whole(i64, '-0')).toThrow(refused(/found -0/));
    expect(() => whole(i64, '-00')).toThrow(refused());
  });
});

describe('a string', () => {
  test('is read with white space before it, and the fault says at which byte', () => {
    expect(whole(readString, ' \t\r\n"a"\n')).toBe('a');
    expect(whole(readString, '""')).toBe('');
    expect(() => whole(readString, '  1')).toThrow(refused('expected a string at byte 2'));
    expect(() => whole(readString, '"a\u0001"')).toThrow(refused('control character in a string at byte 2'));
    expect(() => whole(readString, '"abc')).toThrow(refused('unfinished string at byte 4'));
    expect(() => whole(readString, '"ab\\')).toThrow(refused('unfinished string at byte 4'));
    expect(() => whole(readString, '"\\q"')).toThrow(refused(/invalid escape/));
    expect(() => whole(readString, '"\\u12g4"')).toThrow(refused(/invalid escape/));
    expect(() => whole(readString, '"a" 1')).toThrow(refused('trailing characters at byte 4'));
  });

  test('keeps every escape, and a replacement character that was sent', () => {
    expect(whole(readString, '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uFFFD"')).toBe('"\\/\b\f\n\r\té\ufffd');
    expect(whole(readString, '"\ufffdé"')).toBe('\ufffdé');
    expect(whole(readString, '"\u0020\u007f"')).toBe(' \u007f');
  });
});

test('a name is one of a list, in the short form or the long one', () => {
  const read = readName(['Yes', 'No']);
  expect([whole(read, '"Yes"'), whole(read, ' { "No" : null } ')]).toEqual(['Yes', 'No']);
  expect(() => whole(read, `"${'x'.repeat(100)}"`)).toThrow(refused('expected one of Yes, No at byte 102'));
  expect(() => whole(read, '{"No": 1}')).toThrow(refused('expected null at byte 7'));
  for (const text of ['{"No":nil}', '{"No":1}', '{"No":null', '{"No" null}', '{"No":null,"x":1}'])
    expect(() => whole(read, text)).toThrow(refused());
});

test('what is optional may be null, and nothing that only begins like it', () => {
  expect([whole(optional(readString), ' null '), whole(optional(readString), '"a"')]).toEqual([null, 'a']);
  for (const text of ['nul', 'nullx', 'none', 'true']) expect(() => whole(optional(readString), text)).toThrow(refused());
});

test('a boolean is one of two words', () => {
  expect([whole(readBoolean, ' true '), whole(readBoolean, 'false')]).toEqual([true, false]);
  for (const text of ['tru', 'truex', 'fals', 'falsey', '0', '']) expect(() => whole(readBoolean, text)).toThrow(refused());
});

test('lists and maps are read with white space everywhere, empty ones too, and the fault is at its byte', () => {
  expect([whole(readStrings, ' [ "a" , "b" ] '), whole(readStrings, '[ ]')]).toEqual([['a', 'b'], []]);
  expect([...whole(readStringMap, ' { "a" : "1" , "b" : "2" } ')]).toEqual([
    ['a', '1'],
    ['b', '2'],
  ]);
  expect([...whole(readStringMap, '{ }')]).toEqual([]);
  expect(() => whole(readStrings, '["a";"b"]')).toThrow(refused("expected ',' or ']' at byte 4"));
  for (const text of ['["a"', '[', '["a",]', '[,]', '["a" "b"]']) expect(() => whole(readStrings, text)).toThrow(refused());
  for (const text of ['{"a":"1"', '{', '{"a":"1",}', '{"a" "1"}', '{"a":"1" "b":"2"}', '["a"]'])
    expect(() => whole(readStringMap, text)).toThrow(refused());
  expect(() => whole(cursor => eachElement(cursor, () => {}), '{}')).toThrow(refused('expected an array at byte 0'));
});

test('bytes are numbers from 0 to 255, and the fault is at its byte', () => {
  expect([...whole(readByteArray, ' [ 0 , 9 ,10,99, 100 ,255 ] ')]).toEqual([0, 9, 10, 99, 100, 255]);
  expect([...whole(readByteArray, '[ ]')]).toEqual([]);
  expect([...whole(readByteArray, '[7,8]')]).toEqual([7, 8]);
  expect(() => whole(readByteArray, '[1,256]')).toThrow(refused('expected a number 0..255 at byte 3'));
  expect(() => whole(readByteArray, '[1;2]')).toThrow(refused("expected ',' or ']' among bytes at byte 2"));
  for (const text of ['[00]', '[01]', '[-1]', '[1', '[1,', '[1.5]', '[2560]', '{}', '[:]']) {
    expect(() => whole(readByteArray, text)).toThrow(refused());
  }
});

describe('a value that nobody asked for', () => {
  const skip = (text: string) => whole(skipValue, text);
  test.each([
    '1',
    '-1',
    '0',
    '-0',
    '10.05',
    '1e5',
    '1E+5',
    '1.5e-10',
    '"a\\n"',
    'null',
    'true',
    'false',
    '[]',
    '{}',
    '[ ]',
    '{ }',
    '[1,[2,{"a":[]}],"b"]',
    ' { "a" : 1 , "b" : { "c" : [ true , null ] } , "d" : 0 } ',
    '[[],[],{}]',
    '{"a":{},"b":[]}',
  ])('may be %s', text => {
    expect(() => skip(text)).not.toThrow();
  });

  test.each([
    '01',
    '-',
    '-01',
    '1.',
    '.5',
    '1.e5',
    '1e',
    '1e+',
    '1e-x',
    '+1',
    '--1',
    'nil',
    'tru',
    '[1,]',
    '[,1]',
    '[1 2]',
    '[1',
    '[',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    '{1:1}',
    '{"a":1',
    '{"a":1]',
    '[1}',
    '{"a":1 "b":2}',
    '',
    ']',
    '"a',
  ])('may not be %j', text => {
    expect(() => skip(text)).toThrow(refused());
  });

  test('may be nested 128 deep, and no deeper', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    expect(() => skip(nested(128))).not.toThrow();
    expect(() => skip(nested(129))).toThrow(refused(/nested deeper than 128/));
    const objects = (levels: number) => '{"a":'.repeat(levels) + 1 + '}'.repeat(levels);
    expect(() => skip(objects(128))).not.toThrow();
    expect(() => skip(objects(129))).toThrow(refused(/nested deeper/));
  });
});

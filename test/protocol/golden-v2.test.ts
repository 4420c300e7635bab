// Golden frames of wire v2, printed by test/foreign/wire_v2.py, which was written from docs/protocol.md: read as Python reads
// them, written as Python writes them.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { decoder, encode, inPieces, type Message, seen, type To, written } from './v2.ts';

interface Golden {
  readonly name: string;
  readonly to: To;
  /** The lengths of all pieces but the last. */
  readonly pieces: readonly number[];
  readonly frame_hex: string;
  readonly decoded: Message;
}

const file = join(import.meta.dirname, 'golden-v2.jsonl');
const lines = readFileSync(file, 'utf8').trim().split('\n');
const golden = lines.map(line => JSON.parse(line) as Golden);

describe.each(golden)('$name', ({ name, to, pieces, frame_hex, decoded }) => {
  test('is read as Python reads it', () => {
    const messages: Message[] = [];
    const reader = decoder(to, 2 ** 20, message => messages.push(message));
    reader.push(Buffer.from(frame_hex, 'hex'));
    expect(messages).toEqual([seen(decoded)]);
    expect(reader.unfinished).toBe(0);
  });

  // spearlet ends a body with its last bytes, and never with an empty piece.
  test.skipIf(name.endsWith('last piece is empty'))('is written as Python writes it', () => {
    const frame = written(encode(to, decoded));
    // The codec sends only large bodies in pieces.
    expect((pieces.length === 0 ? frame : written(inPieces(frame), pieces)).toString('hex')).toBe(frame_hex);
  });
});

test('a program in another language reads all golden frames, and writes them again to the byte', async () => {
  const { stdout } = await promisify(execFile)('python3', [join(import.meta.dirname, '..', 'foreign', 'wire_v2.py'), 'check', file]);
  expect(Number(stdout)).toBe(golden.length);
});

test('every type is there with every combination of its flags', () => {
  const kinds = new Set(golden.map(({ frame_hex }) => frame_hex.slice(8, 12)));
  const flags: Record<string, number[]> = {
    '01': [1, 2],
    '02': [],
    '03': [],
    '04': [],
    '05': [],
    '11': [4],
    '12': [2, 4],
    '13': [2, 4, 8, 16, 32],
    '14': [],
    '21': [],
    '22': [],
    '23': [],
    '24': [],
  };
  for (const [type, bits] of Object.entries(flags))
    for (let chosen = 0; chosen < 2 ** bits.length; chosen += 1) {
      const value = bits.reduce((sum, bit, n) => sum + ((chosen >> n) & 1) * bit, 0);
      expect(kinds).toContain(type + value.toString(16).padStart(2, '0'));
    }
});

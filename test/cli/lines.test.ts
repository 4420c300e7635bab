// The output of a program, cut into lines for `spearlet run`.
import { expect, test } from 'vitest';
import { createLines } from '../../src/cli/lines.ts';
import { bounds } from '../../src/limits.ts';

test('a line is kept until it is complete, each channel on its own', () => {
  const lines = createLines();
  expect(lines.add({ channel: 'stdout', text: 'one\ntw' })).toEqual([{ channel: 'stdout', text: 'one' }]);
  expect(lines.add({ channel: 'stderr', text: 'err\n' })).toEqual([{ channel: 'stderr', text: 'err' }]);
  expect(lines.add({ channel: 'stdout', text: 'o\r\n\nend' })).toEqual([
    { channel: 'stdout', text: 'two' },
    { channel: 'stdout', text: '' },
  ]);
  expect(lines.end()).toEqual([{ channel: 'stdout', text: 'end' }]);
  expect(lines.end()).toEqual([]);
});

test('a line above the bound is cut, and the rest of it is counted', () => {
  const lines = createLines();
  const long = 'x'.repeat(bounds.outputLine - 1);
  expect(lines.add({ channel: 'stdout', text: long })).toEqual([]);
  expect(lines.add({ channel: 'stdout', text: 'yzz' })).toEqual([]);
  expect(lines.add({ channel: 'stdout', text: 'zz\nnext\n' })).toEqual([
    { channel: 'stdout', text: `${long}y`, cut: 4 },
    { channel: 'stdout', text: 'next' },
  ]);
});

test('missing bytes end a line and stand in their place', () => {
  const lines = createLines();
  lines.add({ channel: 'stdout', text: 'beg' });
  expect(lines.add({ channel: 'stdout', text: '', droppedBytes: 7 })).toEqual([
    { channel: 'stdout', text: 'beg' },
    { channel: 'stdout', text: '', droppedBytes: 7 },
  ]);
});

// Files as the journal keeps them, on the real disk.
import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { realDisk } from '../../src/world/disk.ts';
import { atEnd } from '../census/census.ts';

function openFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-disk-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a file is written at its places and read back, be it one byte or none', () => {
  const folder = openFolder();
  const file = realDisk.create(folder, 'a');
  expect(realDisk.read(folder, 'a')).toBe('');
  file.write(0, 'x');
  expect(realDisk.read(folder, 'a')).toBe('x');
  file.write(2, 'yz');
  file.close();
  expect([realDisk.read(folder, 'a'), realDisk.names(folder)]).toEqual(['x\0yz', ['a']]);
  realDisk.remove(folder, 'a');
  realDisk.remove(folder, 'a');
  expect([realDisk.read(folder, 'a'), realDisk.names(folder)]).toEqual([null, []]);
});

test('a link is not followed, and a file or folder that others may write to is not trusted', () => {
  const folder = openFolder();
  realDisk.create(folder, 'a').close();
  expect(() => realDisk.create(folder, 'a')).toThrow('EEXIST');
  symlinkSync('/proc/version', join(folder, 'link'));
  expect(realDisk.read(folder, 'link') ?? '').toBe('');
  chmodSync(join(folder, 'a'), 0o666);
  expect(realDisk.read(folder, 'a')).toBeNull();
  chmodSync(folder, 0o777);
  expect(() => realDisk.create(folder, 'b')).toThrow('others may write to the folder');
});

// The folder of Unix sockets: who may enter it, and which sockets are removed.
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { createSocketFolder, socketFolderOf } from '../../src/journal/socket-folder.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { realDisk } from '../../src/world/disk.ts';
import { atEnd } from '../census/census.ts';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const open = (folder: string, table: typeof processTable = processTable) =>
  createSocketFolder({ disk: realDisk, processTable: table, folder, id: '0a-1b-2c-3d-4e' });

const boot = processTable.bootId().slice(0, 8);
const namespace = processTable.pidNamespace();
const self = processTable.entry(processTable.self)!;

test('the folder is in stateDir; without one in XDG_RUNTIME_DIR, if that is absolute, and else among the temporary files', () => {
  const own = `spearlet-${process.geteuid!()}`;
  expect(socketFolderOf('state', '/srv', { XDG_RUNTIME_DIR: '/run/user/1' })).toBe('/srv/state/sockets');
  expect(socketFolderOf(undefined, '/srv', { XDG_RUNTIME_DIR: '/run/user/1' })).toBe(`/run/user/1/${own}`);
  for (const XDG_RUNTIME_DIR of ['run', '', undefined])
    expect(socketFolderOf(undefined, '/srv', { XDG_RUNTIME_DIR })).toBe(join(tmpdir(), own));
});

test('a missing folder is made for its owner alone, and made again where it was removed; each path is another', () => {
  const folder = join(newFolder(), 'state', 'sockets');
  const sockets = open(folder);
  const first = sockets.newPath();
  expect(lstatSync(folder).mode & 0o777).toBe(0o700);
  rmSync(folder, { recursive: true });
  const second = sockets.newPath();
  expect(lstatSync(folder).isDirectory()).toBe(true);
  expect([first, second]).toEqual([1, 2].map(n => `${folder}/${boot}.${namespace}.${self.pid}.${self.startTime}.0a1b2c3d.${n}`));
});

test.each([
  ['others may enter', (folder: string) => chmodSync(folder, 0o710), /others may enter it \(mode 710\)/],
  ['is a link', (folder: string) => void [rmSync(folder, { recursive: true }), symlinkSync('.', folder)], /it is no folder/],
  ['is a file', (folder: string) => void [rmSync(folder, { recursive: true }), writeFileSync(folder, '')], /it is no folder/],
  [
    'belongs to another user',
    (folder: string) => chownSync(folder, 12_345, 12_345),
    /it belongs to another user \(uid 12345, this one is 0\)/,
  ],
])('a folder that %s is refused with its path and what to do', (_, spoil, because) => {
  // Only root can give a folder away.
  if (spoil.toString().includes('chown') && process.geteuid!() !== 0) return;
  const folder = join(newFolder(), 'sockets');
  mkdirSync(folder, { mode: 0o700 });
  spoil(folder);
  expect(() => open(folder).newPath()).toThrow(
    expect.objectContaining({
      code: 'LISTEN_FAILED',
      message: expect.stringMatching(because),
      hint: expect.stringContaining('stateDir'),
    }),
  );
  expect(() => open(folder).newPath()).toThrow(`'${folder}'`);
});

test('sockets of dead hosts and of earlier boots are removed; those of living ones, of other pid namespaces, and what is no socket of ours, stay', () => {
  const folder = newFolder();
  const stale = [
    `${boot}.${namespace}.${2 ** 22 + 1}.5.abc.1`,
    // The pid names another process by now.
    `${boot}.${namespace}.${self.pid}.${self.startTime + 1}.abc.12`,
    `ffffffff.${namespace}.${self.pid}.${self.startTime}.abc.1`,
    `ffffffff.1.2.3.abc.1`,
  ];
  const kept = [
    `${boot}.${namespace}.${self.pid}.${self.startTime}.other.1`,
    `${boot}.1.2.3.abc.1`,
    'note',
    `${boot}.${namespace}.5.abc.1`,
  ];
  for (const name of [...stale, ...kept]) writeFileSync(join(folder, name), '');
  open(folder, { ...processTable, works: false }).newPath();
  expect(readdirSync(folder).length).toBe(stale.length + kept.length);
  open(folder).newPath();
  expect(readdirSync(folder).sort()).toEqual(kept.sort());
});

test('a name leaves room for a folder within the bound of a path', () => {
  expect(basename(open(newFolder()).newPath()).length).toBeLessThan(60);
});

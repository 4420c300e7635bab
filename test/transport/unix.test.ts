// Unix domain sockets as a network: what every network keeps, and what only files do.
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unix } from '../../src/transport/unix.ts';
import { atEnd } from '../census/census.ts';
import { conforms } from './conformance.ts';

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise(setImmediate);
};

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let made = 0;
const at = () => ({ kind: 'unix', path: join(newFolder(), String(made++)) }) as const;

conforms('Unix sockets', { 'in a folder': () => ({ network: unix, plenty: 2 ** 24, until, at, peer: /^unix:\/.*\d$/ }) });

test('only its owner may use a socket, and a closed listener leaves no file', async () => {
  const address = at();
  const listener = unix.listen(address, stream => stream.close());
  expect(statSync(address.path).mode & 0o777).toBe(0o600);
  await listener.close();
  expect(existsSync(address.path)).toBe(false);
});

test('a path of 107 bytes is the longest; a longer one is refused with its path and what to do', async () => {
  const folder = newFolder();
  const path = join(folder, 'x'.repeat(107 - folder.length - 1));
  await unix.listen({ kind: 'unix', path }, () => {}).close();
  // Bytes count, not characters.
  for (const tooLong of [`${path}x`, join(folder, 'é'.repeat(50))]) {
    expect(() => unix.listen({ kind: 'unix', path: tooLong }, () => {})).toThrow(
      expect.objectContaining({
        code: 'LISTEN_FAILED',
        message: expect.stringContaining(`'${tooLong}'`),
        hint: expect.stringContaining('stateDir'),
      }),
    );
  }
});

// `npm run check:package`: publint and arethetypeswrong look at the packed package, knip at what the sources do not use.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from './user.js';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'spearlet-package-'));
try {
  const { tarball } = await pack(folder);
  const checks = [
    ['publint', '--strict', tarball],
    ['attw', '--profile', 'esm-only', '--format', 'ascii', '--quiet', tarball],
    ['knip', '--no-config-hints'],
  ];
  for (const [command, ...args] of checks) {
    const { status } = spawnSync(join(root, 'node_modules/.bin', command), args, { cwd: root, stdio: 'inherit' });
    if (status !== 0) {
      console.error(`${command} failed`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}

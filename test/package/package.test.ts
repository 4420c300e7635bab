// What the package asks of a user's tree.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as Record<
  string,
  Record<string, string>
>;

test('rxjs is the one the user has: with a second copy the types of its Observables would not match', () => {
  expect(peerDependencies).toEqual({ rxjs: '^7.8.0' });
  expect(dependencies).not.toHaveProperty('rxjs');
});

test('no dependency is pinned to one version: the lock file pins what is tested', () => {
  for (const [name, range] of Object.entries(dependencies!)) expect(range, name).toMatch(/^[\^~]/);
});

test('a program that uses `spearlet` and `spearlet/agent` has one class SpearletError', async () => {
  const program = `
    import { SpearletError } from 'spearlet';
    import { serve } from 'spearlet/agent';
    const error = await serve({}, { environment: {} }).catch(thrown => thrown);
    console.log(error.code, error instanceof SpearletError, SpearletError.name);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(import.meta.dirname, '../..'),
  });
  expect(stdout).toBe('INVALID_OPTIONS true SpearletError\n');
});

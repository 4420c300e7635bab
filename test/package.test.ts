// What the package asks of a user's tree.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as Record<
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

// What the README shows is what runs.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { spearletSchema } from '../src/options.ts';
import { atEnd } from './census/census.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('the example runs as plain JavaScript, in about 20 lines', async () => {
  const example = /```js\n([\s\S]+?)```/.exec(readme)![1]!;
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(22);
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-readme-'));
  atEnd(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'example.mjs'), example);
  // As `npm install spearlet` would leave it.
  const modules = join(folder, 'node_modules');
  await promisify(execFile)('mkdir', [modules]);
  symlinkSync(root, join(modules, 'spearlet'));
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'example.mjs')]);
  expect(stdout).toBe('hello\nstarted \nrunning 1\n\nrunning 2\n\nrunning 3\n\ncompleted \n');
});

test('what the documentation takes from the source is up to date (npm run docs)', async () => {
  const { errorsPage, schemaText } = (await import(join(root, 'docs/generate.js'))) as { errorsPage(): string; schemaText(): string };
  expect(readFileSync(join(root, 'docs/errors.md'), 'utf8')).toBe(errorsPage());
  expect(readFileSync(join(root, 'docs/config.schema.json'), 'utf8')).toBe(schemaText());
});

test('every option and configuration key stands in the README', () => {
  for (const option of Object.keys(spearletSchema.shape)) expect(readme).toContain(`\`${option}`);
  for (const key of ['command', 'args', 'working_directory', 'environment', 'timeout', 'max_memory'])
    expect(readme).toContain(`\`config.${key}\``);
});

test('npm start shows the way of every instance, and ends by itself', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'examples/main-job/main.js')], {
    env: { ...process.env, FORCE_COLOR: '0' },
  });
  for (const state of ['allocating', 'listening', 'authenticating', 'ready', 'executing', 'stopping', 'stopped'])
    expect(stdout).toMatch(new RegExp(`hasher +→ ${state}`));
  expect(stdout).toMatch(/executions: \d+ completed, 1 failed as expected, 1 cancelled, 1 timed out, 1 with unknown outcome/);
});

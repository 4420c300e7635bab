// What README and docs show is what runs, and what they link to exists.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { executeOptionsSchema, spearletSchema, specSchema } from '../src/option-schemas.ts';
import { poolExecuteOptionsSchema, poolSchema } from '../src/pool/option-schemas.ts';
import { atEnd } from './census/census.ts';

const root = join(import.meta.dirname, '..');
const read = (page: string): string => readFileSync(join(root, page), 'utf8');
const readme = read('README.md');

test('the README opens with what spearlet is, what else there is, a run, the installation, an example and the promises', () => {
  const headings = Array.from(readme.matchAll(/^## (.+)$/gm), ([, heading]) => heading);
  expect(headings.slice(0, 5)).toEqual([
    'Why not …',
    'What a run looks like',
    'Install',
    'Ten lines that work',
    'What is promised, and what is not',
  ]);
  for (const command of ['npm ci && npm start', 'npm ci && npm test']) expect(readme).toContain(command);
});

test.each([
  { page: 'README.md', lines: 10, prints: 'hello\n' },
  { page: 'docs/agents.md', lines: 20, prints: 'hello\nstarted \nrunning 1\n\nrunning 2\n\nrunning 3\n\ncompleted \n' },
])('the first example of $page runs as plain JavaScript, and has at most $lines lines', async ({ page, lines, prints }) => {
  const example = /```js\n([\s\S]+?)```/.exec(read(page))![1]!;
  expect(example.split('\n').filter(line => line !== '').length).toBeLessThanOrEqual(lines);
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-readme-'));
  atEnd(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'example.mjs'), example);
  // As `npm install spearlet` would leave it.
  const modules = join(folder, 'node_modules');
  await promisify(execFile)('mkdir', [modules]);
  symlinkSync(root, join(modules, 'spearlet'));
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'example.mjs')]);
  expect(stdout).toBe(prints);
});

test('what the documentation takes from the source is up to date (npm run docs)', async () => {
  const { errorsPage, schemaText } = (await import(join(root, 'docs/generate.js'))) as { errorsPage(): string; schemaText(): string };
  expect(readFileSync(join(root, 'docs/errors.md'), 'utf8')).toBe(errorsPage());
  expect(readFileSync(join(root, 'docs/config.schema.json'), 'utf8')).toBe(schemaText());
});

const pages = ['README.md', ...readdirSync(join(root, 'docs')).flatMap(name => (name.endsWith('.md') ? [`docs/${name}`] : []))];

/** The anchors of a page, made from its headings as GitHub makes them. */
const anchorsOf = (page: string): string[] =>
  Array.from(read(page).matchAll(/^#+ (.+)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('every option and configuration key stands in the documentation', () => {
  const options = read('docs/options.md');
  for (const schema of [spearletSchema, specSchema.in, executeOptionsSchema, poolExecuteOptionsSchema, poolSchema.in])
    for (const option of Object.keys(schema.shape)) expect(options).toContain(`\`${option}\``);
  for (const key of ['command', 'args', 'working_directory', 'environment', 'timeout', 'max_memory'])
    expect(read('docs/command-line.md')).toContain(`\`config.${key}\``);
});

test('the README has fewer than 120 lines', () => {
  expect(readme.trimEnd().split('\n').length).toBeLessThan(120);
});

test.each(pages)('every relative link of %s leads to a file, and to a heading of it', page => {
  const broken: string[] = [];
  for (const [, link] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link!)) continue;
    const [path, anchor] = link!.split('#') as [string, string?];
    const target = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(root, target)) || (anchor !== undefined && !anchorsOf(target).includes(anchor))) broken.push(link!);
  }
  expect(broken).toEqual([]);
});

test('every page of the documentation is linked from the README or from a page that is', () => {
  const reached = new Set(['README.md']);
  for (const page of reached)
    for (const [, link] of read(page).matchAll(/\]\(([^)#\s]+\.md)/g)) {
      const target = join(dirname(page), link!);
      if (pages.includes(target)) reached.add(target);
    }
  expect([...reached].sort()).toEqual([...pages].sort());
});

test('npm start shows the way of every instance, and ends by itself', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'examples/main-job/main.js')], {
    env: { ...process.env, FORCE_COLOR: '0' },
  });
  for (const state of ['allocating', 'listening', 'authenticating', 'ready', 'executing', 'stopping', 'stopped'])
    expect(stdout).toMatch(new RegExp(`hasher +→ ${state}`));
  expect(stdout).toMatch(/executions: \d+ completed, 1 failed as expected, 1 cancelled, 1 timed out, 1 with unknown outcome/);
});

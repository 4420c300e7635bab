// The packed package, and the way of a new user: an empty folder, the tarball, the README's example. `npm run matrix` does the
// same with an installation by npm, every TypeScript and every Node.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

interface User {
  readonly printed: string;
  pack(folder: string): Promise<{ tarball: string; files: { path: string; size: number }[] }>;
  writePrograms(folder: string): void;
}

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const user = (await import(join(import.meta.dirname, 'user.js'))) as User;
const folder = mkdtempSync(join(tmpdir(), 'spearlet-user-'));
let packed: Awaited<ReturnType<User['pack']>>;

beforeAll(async () => {
  user.writePrograms(folder);
  packed = await user.pack(folder);
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, 'spearlet'), { recursive: true });
  await run('tar', ['-xzf', packed.tarball, '-C', join(modules, 'spearlet'), '--strip-components=1']);
  // The dependencies as they are installed here: this test needs no registry.
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  for (const name of [...Object.keys(dependencies), 'rxjs', '@types']) symlinkSync(join(root, 'node_modules', name), join(modules, name));
});

afterAll(() => rmSync(folder, { recursive: true }));

test('the package has the built files, their types and the schema of configuration files, in less than 710 kB, and the documentation', () => {
  const isDocumentation = (path: string): boolean => /^(docs\/[\w-]+\.md|visualizations\/.+)$/.test(path);
  const others = packed.files.map(({ path }) => path).filter(path => !/^dist\/(src|machines)\/.+\.(js|d\.ts)$/.test(path));
  expect(others.filter(path => !isDocumentation(path)).sort()).toEqual(['LICENSE', 'README.md', 'docs/config.schema.json', 'package.json']);
  // What README shows and links to, and the pages that hints of errors name.
  const linked = readFileSync(join(root, 'README.md'), 'utf8').match(/(docs|visualizations)\/[\w-]+\.(md|svg)/g)!;
  const hinted = readFileSync(join(root, 'src/errors.ts'), 'utf8').match(/docs\/[\w-]+\.md/g)!;
  expect([...linked, ...hinted].filter(path => !others.includes(path))).toEqual([]);
  const sizeOf = (files: typeof packed.files): number => files.reduce((sum, { size }) => sum + size, 0);
  expect(sizeOf(packed.files.filter(({ path }) => !isDocumentation(path)))).toBeLessThan(710_000);
  expect(sizeOf(packed.files.filter(({ path }) => isDocumentation(path)))).toBeLessThan(300_000);
});

test("a new user runs the README's example", async () => {
  const { stdout } = await run(process.execPath, ['example.mjs'], { cwd: folder });
  expect(stdout).toBe(user.printed);
});

test("the README's example and all of docs/api.md compile as strict TypeScript, with exactOptionalPropertyTypes", async () => {
  const compiled = run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
  expect(await compiled.catch((error: { stdout: string }) => error)).toEqual({ stdout: '', stderr: '' });
});

test('the command of the package runs', async () => {
  const { stdout } = await run(process.execPath, [join(folder, 'node_modules/spearlet/dist/src/cli/main.js'), '--version']);
  expect(stdout).toBe('0.1.0\n');
});

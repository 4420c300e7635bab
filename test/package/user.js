// A user's project: an empty folder in which the packed spearlet is installed, with the programs that README and docs/api.md show.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const blocks = (page, language) =>
  Array.from(
    readFileSync(join(root, page), 'utf8').matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]+?)\`\`\``, 'g')),
    ([, text]) => text,
  );

/** The example of the README, and what it prints. */
const example = blocks('README.md', 'js')[0];
export const printed = 'hello\n';

/** The facts of the package: `unpackedSize` in bytes, `files` with their `path`. It packs dist as it is, without a build. */
export async function pack(folder) {
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
  const [facts] = JSON.parse(stdout);
  return { ...facts, tarball: join(folder, facts.filename) };
}

/** Writes the example, and as strict TypeScript the example and the whole of docs/api.md. */
export function writePrograms(folder) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  writeFileSync(join(folder, 'example.mjs'), example);
  writeFileSync(join(folder, 'example.mts'), example);
  writeFileSync(join(folder, 'api.mts'), blocks('docs/api.md', 'ts').join('\n'));
  const compilerOptions = {
    ...{ target: 'es2022', lib: ['es2023', 'esnext.disposable'], module: 'nodenext', types: ['node'] },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: true, noEmit: true },
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['example.mts', 'api.mts'] }));
}

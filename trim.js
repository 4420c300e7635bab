// Trims dist, behind tsc and bundle.js, to what the package needs: the files that an entry reaches; JavaScript without comments,
// which the sources have; and types whose imports end in .js, as older versions of TypeScript want them.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { minifySync } from 'rolldown/utils';

const IMPORTS = /(\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.{1,2}\/[^"']+?)\.(?:js|ts)\2/g;

/** The files that `entries` import, directly or not. `extension`: the one of the files on disk, `.js` or `.d.ts`. */
export function reachedFrom(entries, extension) {
  const reached = new Set(entries.map(entry => resolve(entry)));
  for (const file of reached)
    for (const [, , , path] of readFileSync(file, 'utf8').matchAll(IMPORTS)) reached.add(join(dirname(file), `${path}${extension}`));
  return reached;
}

const printed = { compress: false, mangle: false, codegen: { removeWhitespace: false } };

/** The code with its own lines and names, printed without comments and with tabs. */
function trimmed(file) {
  const { code, errors } = minifySync(file, readFileSync(file, 'utf8'), { module: true, ...printed });
  if (errors.length > 0) throw errors[0];
  return code;
}

function trim() {
  const { exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'));
  const entries = Object.values(exports).flatMap(({ default: entry }) => entry ?? []);
  const kept = new Set([
    ...reachedFrom([...entries, ...Object.values(bin)], '.js'),
    ...reachedFrom(
      entries.map(entry => entry.replace(/\.js$/, '.d.ts')),
      '.d.ts',
    ),
  ]);
  for (const name of readdirSync('dist', { recursive: true })) {
    const file = resolve('dist', name);
    if (statSync(file).isDirectory()) continue;
    if (!kept.has(file)) rmSync(file);
    else if (file.endsWith('.js')) writeFileSync(file, trimmed(file));
    else writeFileSync(file, readFileSync(file, 'utf8').replaceAll(IMPORTS, '$1$2$3.js$2'));
  }
}

if (process.argv[1] === import.meta.filename) trim();

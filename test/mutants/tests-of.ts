// Which test files can notice a change of a source file: those that lead to it by their imports, or by the programs that they
// start. Read from the files as they are, so it follows every move. It runs nothing.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { parseAst } from 'vite';

/** They hold the form of the source, or change it themselves: no behaviour of src is noticed there. */
const others = ['test/architecture.test.ts', 'test/model/mutants.test.ts', 'test/model/mutants.instance.test.ts'];

const folders = ['src', 'machines', 'test', 'examples', 'docs', 'bench'];

/** Every string in a file that may name another file: a path, a package of ours, or the last part of a path. */
function namesIn(file: string, source: string): string[] {
  const names: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { type, importKind } = value as Record<string, unknown>;
    if (importKind === 'type') return;
    if (type === 'Literal' && typeof (value as { value: unknown }).value === 'string')
      names.push((value as unknown as { value: string }).value);
    for (const each of Object.values(value)) visit(each);
  };
  visit(parseAst(source, { lang: file.endsWith('.ts') ? 'ts' : 'js' }).body);
  return names;
}

export interface Near {
  readonly test: string;
  /** How many imports lie between the test and the source file. */
  readonly distance: number;
  /** The test has the name of the source file, or of its folder, as a word: it is likely to notice a change. */
  readonly isAbout: boolean;
}

export function testsOf(root: string): { readonly tests: readonly string[]; nearest(file: string): Near[] } {
  const files = folders
    .flatMap(folder => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(name => join(folder, name)))
    .filter(
      file => /\.(ts|js)$/.test(file) && !file.endsWith('.d.ts') && !file.includes('node_modules') && !file.startsWith('test/mutants/'),
    );
  const nameOf = (file: string): string => basename(file).replace(/\.ts$/, '.js');
  const namedLike = (name: string): string[] => files.filter(each => nameOf(each) === nameOf(name));
  const known = new Set(files);
  const { name: ours, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, string | { readonly default: string }>;
  };
  const entries = new Map(
    Object.entries(exports).map(([key, entry]) => {
      const path = typeof entry === 'string' ? entry : entry.default;
      return [ours + key.slice(1), path.replace(/^\.\/dist\//, '').replace(/js$/, 'ts')];
    }),
  );

  const leadsTo = (file: string, name: string): string[] => {
    const entry = entries.get(name);
    if (entry !== undefined) return [entry];
    if (!/\.(ts|js)$/.test(name)) return [];
    const path = name.startsWith('.') ? relative(root, join(root, dirname(file), name)) : name;
    const source = path.replace(/^dist\//, '').replace(/js$/, 'ts');
    const exact = [path, source].find(each => known.has(each));
    // Otherwise the path is put together when the test runs, and only its last part is written down.
    return exact === undefined ? namedLike(name) : [exact];
  };
  const graph = new Map(
    files.map(file => [file, namesIn(file, readFileSync(join(root, file), 'utf8')).flatMap(name => leadsTo(file, name))]),
  );

  const distances = (test: string): Map<string, number> => {
    const found = new Map([[test, 0]]);
    for (const [file, distance] of found) for (const next of graph.get(file) ?? []) if (!found.has(next)) found.set(next, distance + 1);
    return found;
  };
  const tests = files.filter(file => file.endsWith('.test.ts') && !others.includes(file));
  const reached = new Map(tests.map(test => [test, distances(test)]));
  return {
    tests,
    nearest(file) {
      const words = new RegExp(`\\b(${basename(dirname(file))}|${basename(file, '.ts')})\\b`);
      const isAbout = (test: string): boolean => words.test(readFileSync(join(root, test), 'utf8'));
      return tests.flatMap(test => {
        const distance = reached.get(test)!.get(file);
        return distance === undefined ? [] : [{ test, distance, isAbout: isAbout(test) }];
      });
    },
  };
}

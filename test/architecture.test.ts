// Who may import whom. Reads every import of machines/ and src/ and fails on an arrow that points up, a circle, or a
// machine that is not pure; and holds the sizes and forms that design asks for.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { parseAst } from 'vite';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Every file may import these: they know nothing of spearlet but its words for errors, limits and time. */
const ground = ['src/errors.ts', 'src/limits.ts', 'src/printable.ts', 'src/standard-schema.ts', 'src/world', 'src/options'];

/** Folder or file → what of ours it may import beside itself and the ground. A file comes before its folder. Nothing imports upward. */
const mayImport: Record<string, readonly string[]> = {
  machines: [],
  'src/errors.ts': [],
  'src/limits.ts': [],
  'src/printable.ts': [],
  'src/standard-schema.ts': [],
  'src/world': ['src/limits.ts'],
  'src/machines.ts': ['machines'],
  'src/options': ['src/standard-schema.ts'],
  'src/option-values.ts': [],
  'src/request-input.ts': [],
  'src/option-schemas.ts': ['src/option-values.ts', 'src/request-input.ts'],
  'src/pool/option-schemas.ts': ['src/option-schemas.ts'],
  'src/parse.ts': [],
  'src/config-keys.ts': ['src/option-schemas.ts'],
  'src/config.ts': ['src/command-agent.ts', 'src/config-keys.ts', 'src/option-values.ts', 'src/option-schemas.ts', 'src/parse.ts'],
  'src/protocol': [],
  'src/transport/websocket-client.ts': ['src/transport'],
  'src/transport/websocket-upgrade.ts': ['src/transport'],
  'src/transport/websocket-stream.ts': ['src/transport'],
  'src/transport': [],
  'src/process': ['src/option-schemas.ts', 'src/transport'],
  'src/journal': ['src/process', 'src/option-schemas.ts'],
  'src/observe/stats.ts': ['src/observe', 'src/supervisor', 'src/instance', 'src/execution'],
  'src/observe/explain.ts': ['src/observe', 'src/supervisor', 'src/instance', 'src/connection', 'src/option-schemas.ts', 'machines'],
  'src/observe/pool-explanation.ts': ['src/observe', 'src/instance', 'machines'],
  'src/observe/explanation.ts': ['src/observe', 'src/instance', 'src/connection'],
  'src/observe': ['src/option-schemas.ts'],
  'src/connection': ['src/transport', 'src/protocol', 'src/option-schemas.ts', 'machines'],
  'src/execution': [
    'src/connection',
    'src/protocol',
    'src/observe/isolated.ts',
    'src/option-schemas.ts',
    'src/parse.ts',
    'src/request-input.ts',
  ],
  'src/instance': [
    ...['src/execution', 'src/connection', 'src/process', 'src/journal', 'src/transport', 'src/observe/isolated.ts'],
    ...['src/option-schemas.ts', 'src/parse.ts', 'machines'],
  ],
  'src/supervisor': [
    ...['src/instance', 'src/execution', 'src/connection', 'src/process', 'src/journal', 'src/transport', 'src/protocol'],
    ...['src/observe/isolated.ts', 'src/option-schemas.ts', 'machines'],
  ],
  'src/pool': [...['src/supervisor', 'src/instance', 'src/execution', 'src/observe', 'src/option-schemas.ts', 'src/parse.ts', 'machines']],
  'src/command-agent.ts': [],
  'src/run.ts': ['src/command-agent.ts', 'src/instance', 'src/option-schemas.ts', 'src/parse.ts'],
  'src/spearlet-types.ts': ['src/pool', 'src/supervisor', 'src/instance', 'src/observe'],
  'src/spearlet.ts': [
    ...['src/spearlet-types.ts', 'src/run.ts'],
    ...['src/pool', 'src/supervisor', 'src/instance', 'src/execution', 'src/process', 'src/journal', 'src/transport', 'src/observe'],
    ...['src/option-schemas.ts', 'src/parse.ts'],
  ],
  'src/index.ts': [
    ...[
      'machines/public-types.ts',
      'src/spearlet.ts',
      'src/spearlet-types.ts',
      'src/command-agent.ts',
      'src/config.ts',
      'src/pool',
      'src/supervisor',
    ],
    ...['src/instance', 'src/execution', 'src/connection', 'src/process', 'src/journal'],
    ...['src/observe', 'src/option-schemas.ts'],
  ],
  'src/agent': [
    'src/connection/answered-heartbeats.ts',
    'src/connection/framed-channel.ts',
    'src/connection/channel.ts',
    'src/connection/continuity.ts',
    'src/transport',
    'src/protocol',
    'src/process/tree/proc-read.ts',
  ],
  'src/cli': ['src/index.ts', 'src/config.ts', 'src/config-keys.ts', 'src/instance/exit-reason.ts', 'src/agent'],
};

/** Packages that a place may import beside node's built-ins. */
const mayUse: Record<string, readonly string[]> = {
  machines: ['xstate'],
  'src/option-values.ts': ['zod'],
  'src/request-input.ts': ['zod'],
  'src/option-schemas.ts': ['zod'],
  'src/pool/option-schemas.ts': ['zod'],
  'src/config-keys.ts': ['zod'],
  'src/run.ts': ['zod'],
  'src/config.ts': ['zod'],
  'src/transport/websocket-client.ts': ['ws'],
  'src/transport/websocket-upgrade.ts': ['ws'],
  'src/transport/websocket-stream.ts': ['ws'],
  'src/observe': ['pino', 'rxjs'],
  'src/connection': ['xstate'],
  'src/execution': ['rxjs'],
  'src/instance': ['xstate', 'rxjs'],
  'src/supervisor': ['xstate', 'rxjs'],
  'src/pool': ['xstate', 'rxjs'],
  'src/spearlet.ts': ['xstate'],
  'src/cli': ['commander', 'jsonc-parser'],
};

/** Files that implement an interface to the world; nobody else touches time, chance, network or processes. */
const worldly = [
  'src/world/clock.ts',
  'src/world/random.ts',
  'src/world/stdio.ts',
  'src/transport/tcp.ts',
  'src/transport/socket.ts',
  'src/transport/bind.ts',
  'src/transport/unix.ts',
  'src/transport/websocket.ts',
  'src/transport/websocket-client.ts',
  'src/transport/websocket-upgrade.ts',
  'src/transport/websocket-stream.ts',
  'src/transport/inherited.ts',
  'src/process/spawn.ts',
  'src/process/tree/proc-table.ts',
  'src/agent/clock.ts',
  'src/agent/host-watch.ts',
  'src/agent/command.ts',
];

interface Import {
  readonly source: string;
  readonly typeOnly: boolean;
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => join(folder, name));
}

function importsOf(source: string): Import[] {
  const imports: Import[] = [];
  for (const node of parseAst(source, { lang: 'ts' }).body as never as Record<string, never>[]) {
    if (node.type !== 'ImportDeclaration' && node.type !== 'ExportNamedDeclaration' && node.type !== 'ExportAllDeclaration') continue;
    if (!node.source) continue;
    const specifiers = (node.specifiers ?? []) as Record<string, string>[];
    const typeOnly =
      node.importKind === 'type' ||
      node.exportKind === 'type' ||
      (specifiers.length > 0 && specifiers.every(each => each.importKind === 'type' || each.exportKind === 'type'));
    imports.push({ source: (node.source as { value: string }).value, typeOnly });
  }
  return imports;
}

const files = [...filesBelow('machines'), ...filesBelow('src')];
const sources = new Map(files.map(file => [file, readFileSync(join(root, file), 'utf8')]));
const imports = new Map(files.map(file => [file, importsOf(sources.get(file)!)]));
const placeOf = (file: string) => Object.keys(mayImport).find(place => file === place || file.startsWith(`${place}/`));
const resolveImport = (file: string, source: string) => relative(root, normalize(join(root, dirname(file), source)));
const isOurs = (source: string) => source.startsWith('.');

test('every file has a place in the table of who may import whom', () => {
  expect(files.filter(file => placeOf(file) === undefined)).toEqual([]);
});

test('a file imports only what lies below it', () => {
  const upward = files.flatMap(file =>
    imports
      .get(file)!
      .filter(({ source }) => isOurs(source))
      .map(({ source }) => resolveImport(file, source))
      .filter(target => {
        const place = placeOf(file)!;
        // The ground imports nothing above it either.
        const allowed = [place, ...mayImport[place]!, ...(ground.includes(place) || place === 'machines' ? ['src/errors.ts'] : ground)];
        return !allowed.some(each => target === each || target.startsWith(`${each}/`));
      })
      .map(target => `${file} → ${target}`),
  );
  expect(upward).toEqual([]);
});

test('a file uses only the packages of its place', () => {
  const foreign = files.flatMap(file =>
    imports
      .get(file)!
      .filter(
        ({ source, typeOnly }) =>
          !isOurs(source) && !source.startsWith('node:') && !typeOnly && !(mayUse[placeOf(file)!] ?? []).includes(source),
      )
      .map(({ source }) => `${file} uses ${source}`),
  );
  expect(foreign).toEqual([]);
});

test('a file opens with what it holds, and is short', () => {
  expect(files.filter(file => !/^(\/\/ |#!)/.test(sources.get(file)!))).toEqual([]);
  expect(files.filter(file => !file.startsWith('machines/') && sources.get(file)!.split('\n').length > 251)).toEqual([]);
});

test('nothing imports in a circle, types included', () => {
  const graph = new Map(
    files.map(file => [
      file,
      imports
        .get(file)!
        .filter(({ source }) => isOurs(source))
        .map(({ source }) => resolveImport(file, source)),
    ]),
  );
  const done = new Set<string>();
  const visit = (file: string, trail: string[]): void => {
    if (trail.includes(file)) throw new Error(`a circle: ${[...trail.slice(trail.indexOf(file)), file].join(' → ')}`);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('a machine imports xstate and other machines, nothing else', () => {
  for (const file of filesBelow('machines')) {
    const others = imports
      .get(file)!
      .filter(({ source, typeOnly }) => !typeOnly && source !== 'xstate' && !/^\.\/[a-z]+\.ts$/.test(source));
    expect({ file, others }).toEqual({ file, others: [] });
  }
});

test('time, chance, network and processes are touched only where the world is implemented', () => {
  const forbidden =
    /(?<![.\w])(Date\.now|new Date\(|Math\.random|setTimeout|setInterval|setImmediate|performance\.now|process\.hrtime)\b|from 'node:(net|child_process|timers)/;
  const offenders = files.filter(
    file => file.startsWith('src/') && !worldly.includes(file) && forbidden.test(sources.get(file)!.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '')),
  );
  expect(offenders).toEqual([]);
});

test('the agent entry imports node built-ins and our own files only', () => {
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const { source, typeOnly } of imports.get(file) ?? []) {
      if (typeOnly) continue;
      if (isOurs(source)) load(resolveImport(file, source));
      else expect({ file, source, builtIn: source.startsWith('node:') }).toEqual({ file, source, builtIn: true });
    }
  };
  load('src/agent/index.ts');
});

test('an agent loads three files of spearlet: the bundled entry, what it shares with WebSockets, and the class of its errors', () => {
  const entry = readFileSync(join(root, 'dist/src/agent/index.js'), 'utf8');
  const sources = importsOf(entry).map(({ source }) => source);
  expect(sources.filter(source => !source.startsWith('node:'))).toEqual(['./shared.js', '../errors.js']);
  const errors = readFileSync(join(root, 'dist/src/errors.js'), 'utf8');
  expect(importsOf(errors).map(({ source }) => source)).toEqual(['node:util']);
});

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of configuration files.
// Configuration files as the command line reads them: variables, environment files, durations, and errors with their places.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseEnvFile } from '../../src/cli/env-file.ts';
import { readConfig } from '../../src/cli/file.ts';
import { withVariables } from '../../src/cli/variables.ts';
import { milliseconds } from '../../src/config-keys.ts';
import { instanceSpecFromConfig, type OptionIssue, type SpearletError } from '../../src/index.ts';
import { spearletSchema, specSchema } from '../../src/option-schemas.ts';
import { atEnd } from '../census/census.ts';
import { configFile, temporaryFolder } from '../situations/command.ts';
import { cli } from '../situations/world.ts';

const one = (config: object, more: object = {}) => ({ config: { command: 'node', ...config }, ...more });
const specOf = (config: object, more: object = {}) => readConfig(configFile(one(config, more))).specs[0]!;
const variablesOf = ({ environment }: ReturnType<typeof specOf>) => Object.fromEntries(environment as Map<string, string>);

function setVariable(name: string, value: string): void {
  process.env[name] = value;
  atEnd(() => void delete process.env[name]);
}

/** The lines of the error of a file, without the file's name. */
function errorsOf(text: string): string[] {
  const file = configFile(text);
  try {
    readConfig(file);
    return [];
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' });
    const [head, ...lines] = (error as SpearletError).message.replaceAll(file, 'FILE').split('\n');
    expect(head).toBe(lines.length === 1 ? 'FILE has an error' : `FILE has ${lines.length} errors`);
    return lines;
  }
}

test('a duration is a number of seconds, or a text with a unit', () => {
  const texts = ['0', '1.5', '250ms', '1.5s', '2m', '1h', ' 3s '];
  expect(texts.map(milliseconds)).toEqual([0, 1_500, 250, 1_500, 120_000, 3_600_000, 3_000]);
  expect([0, 0.0015, 1e-9, 2_147_483].map(milliseconds)).toEqual([0, 2, 1, 2_147_483_000]);
  const wrong = ['', ' ', '-1', '1d', '1e3', 'ms', '1,5', '25d', '600h', '2147484', 'Infinity', 'NaN', -1, Number.NaN, 2_147_484];
  for (const each of wrong) expect({ each, ms: milliseconds(each) }).toEqual({ each, ms: null });
});

test('durations of a file become ms wherever they stand', () => {
  const { options, specs } = readConfig(
    configFile({
      ...{ connectTimeout: '250ms', authTimeout: 1.5, grace: 0, reconnectWindow: '2m' },
      ...{ heartbeat: { interval: '1s' }, restart: { period: '1h', backoff: { min: 0.2, max: '1.5s' } } },
      instances: [one({ timeout: '1.5s' })],
    }),
  );
  expect(options).toEqual({
    ...{ connectTimeout: 250, authTimeout: 1_500, grace: 0, reconnectWindow: 120_000 },
    ...{ heartbeat: { interval: 1_000 }, restart: { period: 3_600_000, backoff: { min: 200, max: 1_500 } } },
  });
  expect(specs[0]!.timeout).toBe(1_500);
});

test('every option of createSpearlet and every key of a spec has its key in the file', () => {
  const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/config.schema.json'), 'utf8')) as {
    anyOf: [{ properties: Record<string, unknown> & { instances: { items: { properties: Record<string, { properties: object }> } } } }];
  };
  const { instances, ...host } = schema.anyOf[0].properties;
  // These are code. They have no key.
  const options = Object.keys(spearletSchema.shape).filter(name => name !== 'logger' && name !== 'inspect');
  expect(options.filter(name => !(name in host))).toEqual([]);
  const { config, ...beside } = instances.items.properties;
  const renamed: Record<string, string> = { artifactId: 'name' };
  const keys = Object.keys(specSchema.in.shape).map(name => renamed[name] ?? name);
  expect(keys.filter(name => !(name in beside) && !(name in config!.properties))).toEqual([]);
});

test('options and keys of a spec are passed on, also from a file with one instance', () => {
  const more = {
    stateDir: '/s',
    ports: { from: 5_000, to: 5_001 },
    containment: 'namespace',
    onUnresponsive: 'restart',
    restart: 'permanent',
  };
  const { options, specs } = readConfig(configFile(one({ maxMemory: '1KB', workingDirectory: '/tmp' }, { $schema: './x.json', ...more })));
  expect(options).toEqual({ stateDir: '/s', ports: { from: 5_000, to: 5_001 } });
  expect(specs).toEqual([
    {
      ...{ artifactId: 'node', runtimeType: 'process', command: 'node', workingDirectory: '/tmp', maxMemory: 1_000 },
      ...{ containment: 'namespace', onUnresponsive: 'restart', restart: 'permanent' },
    },
  ]);
});

test('the command spearlet is this spearlet itself, also without PATH', () => {
  const own = { artifactId: 'spearlet', command: process.execPath, args: [cli, 'agent'] };
  expect(specOf({ command: 'spearlet', args: ['agent'] })).toMatchObject(own);
  expect(instanceSpecFromConfig(one({ command: 'spearlet', args: ['agent'] }))).toMatchObject(own);
});

test('${VAR} and ${VAR:-default} are replaced in values, and $${ is the text ${', () => {
  const environment = { A: 'a', EMPTY: '' };
  const issues: OptionIssue[] = [];
  const value = { '${A}': ['${A}b${A}', '$A $5', '$${A}', '${EMPTY}|${EMPTY:-e}|${NONE:-n m}|${NONE:-}', 7, null] };
  expect(withVariables(value, environment, issues)).toEqual({ '${A}': ['aba', '$A $5', '${A}', '|e|n m|', 7, null] });
  expect(issues).toEqual([]);
  withVariables({ x: ['${NONE}', '${a b}', '${A'] }, environment, issues);
  expect(issues.map(({ path, message }) => [path, message])).toEqual([
    ['x.0', expect.stringContaining("'NONE' is not set")],
    ['x.1', expect.stringContaining("'${a b}' is no variable")],
    ['x.2', expect.stringContaining("'${A' is no variable")],
  ]);
});

test('a variable is no secret for the program, but its value stands in no error', () => {
  setVariable('SPEARLET_TEST_SECRET', 'hush');
  const [line, ...others] = errorsOf(JSON.stringify(one({ timeout: '${SPEARLET_TEST_SECRET}' })));
  expect(others).toEqual([]);
  expect(line).toContain('found "${SPEARLET_TEST_SECRET}"');
  expect(line).not.toContain('hush');
});

test('instanceSpecFromConfig replaces no variables and reads no files: its value may come from elsewhere', () => {
  expect(instanceSpecFromConfig(one({ args: ['${HOME}'] })).args).toEqual(['${HOME}']);
  for (const key of [{ envFile: '/etc/passwd' }, { inheritEnvironment: true }])
    expect(() => instanceSpecFromConfig(one(key))).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }) as never);
});

test('envFile, relative to the file, adds variables; environment replaces them; inheritEnvironment adds those of spearlet', () => {
  setVariable('SPEARLET_TEST_INHERITED', 'yes');
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'a.env'), 'A=1\nB=1\nC=1\n');
  writeFileSync(join(folder, 'sub/b.env'), 'B=2\nC=2\n');
  const file = join(folder, 'agents.json');
  const read = (config: object) => {
    writeFileSync(file, JSON.stringify(one(config)));
    return variablesOf(readConfig(file).specs[0]!);
  };
  expect(read({ envFile: ['a.env', 'sub/b.env'], environment: { C: '3' } })).toEqual({ A: '1', B: '2', C: '3' });
  expect(read({ envFile: 'a.env', inheritEnvironment: true })).toMatchObject({
    A: '1',
    SPEARLET_TEST_INHERITED: 'yes',
    PATH: process.env.PATH,
  });
  writeFileSync(join(folder, 'a.env'), 'A=1\nnonsense\n');
  expect(() => read({ envFile: 'a.env' })).toThrow(/agents\.json:1:\d+: config\.envFile: '.*a\.env' line 2 is not NAME=value/);
  expect(() => read({ envFile: 'none.env' })).toThrow(/config\.envFile: the environment file cannot be read: ENOENT/);
});

test('an environment file of a list with one instance is named with its place in the list', () => {
  const text = '{"instances":[{"config":{"command":"a","envFile":"/no/such/file.env"}}]}';
  expect(errorsOf(text)).toEqual([expect.stringContaining(': instances.0.config.envFile: the environment file cannot be read: ENOENT')]);
});

test('an environment file has lines NAME=value, quotes, comments and empty lines', () => {
  const text = '\ufeff# c\n\nA=1\r\n export B = two words \nC="a\\nb\\"c"\nD=\'a\\n\'\nE=\nF=a#b=c\n__proto__=p\n';
  const refused: number[] = [];
  expect([...parseEnvFile(text, line => refused.push(line))]).toEqual([
    ['A', '1'],
    ['B', 'two words'],
    ['C', 'a\nb"c'],
    ['D', 'a\\n'],
    ['E', ''],
    ['F', 'a#b=c'],
    ['__proto__', 'p'],
  ]);
  expect(refused).toEqual([]);
  parseEnvFile('A\n=1\n1A=2\nB="x\nC=\0', line => refused.push(line));
  expect(refused).toEqual([1, 2, 3, 4, 5]);
});

test('each error is a line with file, line, column, path, value and the nearest key', () => {
  const text = `{
  "instances": [
    { "nmae": "x", "replicas": 0,
      "config": { "cmd": "node", "cwd": "/", "args": ["a", 5], "timeout": "5 parsecs", "restart": "always" },
      "args": [1] },
    { "config": { "command": "a" }, "max_memory": 1 }
  ],
  "statedir": "x"
}`;
  expect(errorsOf(text)).toEqual([
    `FILE:3:7: instances.0.nmae: unknown key, did you mean 'name'?, found "x"`,
    'FILE:3:32: instances.0.replicas: Too small: expected number to be >=1, found 0',
    'FILE:4:17: instances.0.config.command: Invalid input: expected string, received undefined',
    `FILE:4:19: instances.0.config.cmd: unknown key, did you mean 'command'?, found "node"`,
    `FILE:4:34: instances.0.config.cwd: unknown key, did you mean 'workingDirectory'?, found "/"`,
    'FILE:4:60: instances.0.config.args.1: Invalid input: expected string, received number, found 5',
    `FILE:4:75: instances.0.config.timeout: must be a number of seconds, or a text like '250ms', '1.5s', '2m' or '1h', found "5 parsecs"`,
    `FILE:4:88: instances.0.config.restart: unknown key here: it belongs beside 'config', found "always"`,
    `FILE:5:7: instances.0.args: unknown key, did you mean 'config.args'?, found [1]`,
    `FILE:6:37: instances.1.max_memory: unknown key, did you mean 'config.max_memory'?, found 1`,
    `FILE:8:3: statedir: unknown key, did you mean 'stateDir'?, found "x"`,
  ]);
});

test.each([
  ['{"a":', 'FILE:1:6: not JSON: value expected'],
  ['{\n  "a": 1\n  "b": 2 }', 'FILE:3:3: not JSON: comma expected'],
  ['', 'FILE:1:1: not JSON: value expected'],
  ['// no\n{}', 'FILE:1:1: not JSON: invalid comment token'],
  ['{"config":{"command":"a"},\n"config":{"command":"b"}}', 'FILE:2:1: config: the key stands twice'],
  ['[]', 'FILE:1:1: Invalid input: expected object, received array, found []'],
  [
    '{"config":{"command":"a","environment":{"A.B":"x","A":1,"A.C":["${NOPE}"]}}}',
    `FILE:1:55: config.environment.A: Invalid input: expected string, received number, found 1`,
    'FILE:1:63: config.environment.A.C: Invalid input: expected string, received array, found ["${NOPE}"]',
    `FILE:1:64: config.environment.A.C.0: the variable 'NOPE' is not set: set it, or write \${NOPE:-default}, found "\${NOPE}"`,
  ],
  [
    '{"config":{"command":"a","timeout":"${NOPE}"}}',
    `FILE:1:36: config.timeout: the variable 'NOPE' is not set: set it, or write \${NOPE:-default}, found "\${NOPE}"`,
  ],
])('the errors of %j have their places', (text, ...lines) => {
  expect(errorsOf(text)).toEqual(lines);
});

test('a file that cannot be read is an error with its name', () => {
  expect(() => readConfig('/no/such/file')).toThrow(/cannot read the file '\/no\/such\/file'/);
});

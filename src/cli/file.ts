// Reads the configuration file that is named on the command line: with its variables, its environment files, and the place of
// every error.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ConfiguredInstance, type NamedSpec, parseConfig, specsOf } from '../config.ts';
import { type OptionIssue, SpearletError } from '../errors.ts';
import type { SpearletOptions } from '../index.ts';
import { printable } from '../printable.ts';
import { parseEnvFile } from './env-file.ts';
import { type Located, locate, type Place, syntaxError } from './locate.ts';
import { withVariables } from './variables.ts';

/** Characters of a value, and of a path, that an error shows. */
const MAX_VALUE = 60;
const MAX_PATH = 200;
/** Issues that are shown. */
const MAX_ISSUES = 100;

export interface ReadConfig {
  readonly options: SpearletOptions;
  readonly specs: readonly NamedSpec[];
}

/** An issue with its place. Without a place it concerns the whole file. */
type PlacedIssue = OptionIssue & Partial<Place>;

function lineOf(file: string, { path, value, message, didYouMean, line, column }: PlacedIssue): string {
  const place = line === undefined ? file : `${file}:${line}:${column}`;
  const found = value === undefined ? '' : `, found ${printable(JSON.stringify(value), MAX_VALUE)}`;
  return `${place}: ${path === '' ? '' : `${printable(path, MAX_PATH)}: `}${message}${didYouMean ? `, did you mean '${didYouMean}'?` : ''}${found}`;
}

function invalid(file: string, issues: readonly PlacedIssue[], cause?: unknown): SpearletError {
  const count = `${file} has ${issues.length === 1 ? 'an error' : `${issues.length} errors`}`;
  const lines = issues.slice(0, MAX_ISSUES).map(issue => lineOf(file, issue));
  if (issues.length > MAX_ISSUES) lines.push(`and ${issues.length - MAX_ISSUES} more`);
  return new SpearletError('INVALID_CONFIG', [count, ...lines].join('\n'), { issues, cause });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SpearletError('INVALID_CONFIG', `cannot read the file '${file}': ${(cause as Error).message}`, { cause });
  }
}

function parseText(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message, ...place } = syntaxError(text);
    throw invalid(file, [{ path: '', message, ...place }], cause);
  }
}

const issuesOf = (check: () => void): readonly OptionIssue[] => {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof SpearletError && error.issues !== undefined) return error.issues;
    throw error;
  }
};

/** The variables that an instance has beside its own `environment`. */
function inheritedBy(
  { config: { envFile = [], inheritEnvironment = false } }: ConfiguredInstance,
  folder: string,
  refuse: (message: string) => void,
): Map<string, string> {
  const variables = new Map<string, string>();
  if (inheritEnvironment) for (const [name, value] of Object.entries(process.env)) variables.set(name, value!);
  for (const name of [envFile].flat()) {
    const envPath = resolve(folder, name);
    try {
      const parsed = parseEnvFile(readFileSync(envPath, 'utf8'), line => refuse(`'${envPath}' line ${line} is not NAME=value`));
      for (const [key, value] of parsed) variables.set(key, value);
    } catch (error) {
      refuse(`the environment file cannot be read: ${(error as Error).message}`);
    }
  }
  return variables;
}

/** Throws INVALID_CONFIG with all issues of the file, also if it cannot be read. */
export function readConfig(file: string): ReadConfig {
  const text = read(file);
  const written = parseText(file, text);
  const issues: OptionIssue[] = [];
  const value = withVariables(written, process.env, issues);
  const unset = new Set(issues.map(({ path }) => path));
  let config: ReturnType<typeof parseConfig> | undefined;
  issues.push(
    ...issuesOf(() => {
      config = parseConfig(value, written);
    }).filter(({ path }) => !unset.has(path)),
  );
  const specs = (config?.instances ?? []).flatMap((instance, i) => {
    const path = `${config!.instances.length > 1 || hasList(written) ? `instances.${i}.` : ''}config.envFile`;
    return specsOf(
      instance,
      inheritedBy(instance, dirname(resolve(file)), message => issues.push({ path, message })),
    );
  });
  const located = locate(text);
  const placed: PlacedIssue[] = [
    ...issues.map(issue => ({ ...issue, ...placeOf(located, issue) })),
    ...located.repeated.map(({ path, place }) => ({ path, message: 'the key stands twice', ...place })),
  ];
  if (placed.length > 0)
    throw invalid(
      file,
      placed.sort((a, b) => a.line! - b.line! || a.column! - b.column!),
    );
  return { options: config!.options, specs };
}

const hasList = (written: unknown): boolean => typeof written === 'object' && written !== null && 'instances' in written;

/** An unknown key is itself the fault; else the value is. */
const placeOf = (located: Located, { path, message }: OptionIssue): Place =>
  located.placeOf(path, message.startsWith('unknown key') ? 'key' : 'value');

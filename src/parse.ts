// Checks a value of a caller against its schema, once, and names all its issues.
import type { z } from 'zod';
import { type ErrorCode, type OptionIssue, SpearletError } from './errors.ts';
import { printable } from './printable.ts';

/** Characters of a path in a message. A path holds keys of the caller, which may be long. */
const MAX_PATH = 200;

/** What other programs call a key. */
const OTHER_NAMES: Readonly<Record<string, string>> = { cmd: 'command', script: 'command', exec: 'command', cwd: 'workingDirectory' };

/**
 * Returns the parsed value. Throws SpearletError with all issues: path, value, and the nearest known key. Issues show the values
 * of `written`, where these are not those that were parsed.
 */
export function parse<S extends z.ZodType>(
  schema: S,
  value: unknown,
  name: string,
  code: ErrorCode = 'INVALID_OPTIONS',
  written: unknown = value,
): z.output<S> {
  let issues: OptionIssue[];
  try {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    issues = parsed.error.issues.flatMap(issue => describe(schema, written, issue));
  } catch (cause) {
    // A getter or a Proxy has thrown: the schemas themselves never throw.
    throw new SpearletError(code, `invalid ${name}: it threw when it was read`, { cause, hint: 'Pass plain objects and values.' });
  }
  const text = issues.map(
    ({ path, message, didYouMean }) =>
      `${printable(path, MAX_PATH) || name}: ${message}${didYouMean ? `; did you mean '${didYouMean}'?` : ''}`,
  );
  throw new SpearletError(code, `invalid ${name}: ${text.join(' | ')}`, { issues });
}

function describe(schema: z.ZodType, value: unknown, issue: z.core.$ZodIssue): OptionIssue[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
    const parent = path.at(-1);
    const outer = parent === undefined ? [] : knownKeys(schema, path.slice(0, -1));
    return issue.keys.map(key => {
      const near =
        nearest(key, known) ?? known.flatMap(each => (knownKeys(schema, [...path, each]).includes(key) ? [`${each}.${key}`] : []))[0];
      const at = [...path, key];
      const message = near === undefined && outer.includes(key) ? `unknown key here: it belongs beside '${parent}'` : 'unknown key';
      return { path: at.join('.'), value: valueAt(value, at), message, ...(near === undefined ? {} : { didYouMean: near }) };
    });
  }
  return [{ path: path.join('.'), value: valueAt(value, path), message: issue.message }];
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
    value,
  );
}

/** The keys that the schema allows at a path. For a union, the keys of all its branches. */
function knownKeys(schema: z.ZodType, path: readonly string[]): string[] {
  const { def } = schema as never as {
    def: { innerType?: z.ZodType; options?: z.ZodType[]; shape?: Record<string, z.ZodType>; element?: z.ZodType; in?: z.ZodType };
  };
  if (def.innerType !== undefined) return knownKeys(def.innerType, path);
  if (def.in !== undefined) return knownKeys(def.in, path);
  if (def.options !== undefined) return def.options.flatMap(option => knownKeys(option, path));
  const [head, ...rest] = path;
  if (head === undefined) return Object.keys(def.shape ?? {});
  const inner = def.element ?? def.shape?.[head];
  return inner === undefined ? [] : knownKeys(inner, rest);
}

/** The known key that is nearest to `written`. Undefined: no key begins with it or is within a third of its length in edits. */
function nearest(written: string, known: readonly string[]): string | undefined {
  const other = Object.hasOwn(OTHER_NAMES, written) ? OTHER_NAMES[written] : undefined;
  if (other !== undefined && known.includes(other)) return other;
  const normalized = (key: string): string => key.toLowerCase().replaceAll(/[_-]/g, '');
  return known
    .map(key => ({ key, edits: distance(normalized(written), normalized(key)), rawEdits: distance(written, key) }))
    .filter(({ key, edits }) => edits <= Math.max(1, Math.floor(key.length / 3)))
    .sort((a, b) => a.edits - b.edits || a.rawEdits - b.rawEdits)[0]?.key;
}

/** A prefix counts as one edit. */
const distance = (a: string, b: string): number => (a.length > 2 && b.startsWith(a) ? 1 : edits(a, b));

/** The optimal string alignment distance: Levenshtein's, and two letters that have changed places count as one edit. */
function edits(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const above = rows[i - 1]!;
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1), swapped));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

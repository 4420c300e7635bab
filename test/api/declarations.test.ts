// What the types of the package say: only what is public, each with a docstring. The tests read the built declarations.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import {
  executeOptionsSchema,
  expectSchema,
  instanceStopOptionsSchema,
  requestSchema,
  restartOptionsSchema,
  spearletSchema,
  specSchema,
  startOptionsSchema,
  stopOptionsSchema,
} from '../../src/option-schemas.ts';
import { poolExecuteOptionsSchema, poolSchema, poolStopOptionsSchema } from '../../src/pool/option-schemas.ts';
import { runOptionsSchema } from '../../src/run.ts';
import { declarationFiles, declarationsOf, entries, exportedBy } from './declarations.ts';

const root = join(import.meta.dirname, '../..');
const files = await declarationFiles();
const declarations = files.flatMap(declarationsOf);
const exported = new Set(entries.flatMap(exportedBy));

test('everything that the types of the package mention is exported, so that a program can name it', () => {
  expect(declarations.filter(({ name }) => !exported.has(name)).map(({ name, file }) => `${name} in ${file}`)).toEqual([]);
});

test('what an entry exports is declared in a file that it reaches', () => {
  const declared = new Set(declarations.map(({ name }) => name));
  expect([...exported].filter(name => !declared.has(name))).toEqual([]);
});

test('the types of the package name nothing that is internal, and no package but rxjs and the class of charts', () => {
  const internal = /\b(InstanceRecord|Parsed\w+|World|Registry|Trace|ActorRef\w*|\w+ActorLogic|StateMachine|zod|pino|z)\b/g;
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|'[^']*'|"[^"]*"/g, '');
    expect({ file, internal: text.match(internal) }).toEqual({ file, internal: null });
    const packages = Array.from(readFileSync(join(root, file), 'utf8').matchAll(/from '([^.'][^']*)'/g), ([, name]) => name);
    expect(file === 'dist/src/machines.d.ts' ? ['xstate'] : ['rxjs']).toEqual(expect.arrayContaining(packages));
  }
});

test('every public name and every member of it has a docstring, which an editor shows', () => {
  const undocumented = declarations.flatMap(({ name, doc, members }) => [
    ...(doc === '' ? [name] : []),
    ...members.flatMap(member => (member.doc === '' ? [`${name}.${member.name}`] : [])),
  ]);
  expect(undocumented).toEqual([]);
});

/** The fields of an object schema, through its defaults, checks and transforms. */
function fieldsOf(schema: unknown): Record<string, z.ZodType> {
  const { shape, def } = schema as { shape?: Record<string, z.ZodType>; def: { in?: unknown; innerType?: unknown } };
  return shape ?? fieldsOf(def.in ?? def.innerType);
}

/** An interface of options, and the schema that checks it. */
const options: Record<string, Record<string, z.ZodType>> = {
  SpearletOptions: fieldsOf(spearletSchema),
  HeartbeatOptions: fieldsOf(fieldsOf(spearletSchema).heartbeat),
  RestartIntensity: fieldsOf(fieldsOf(spearletSchema).restart),
  BackoffOptions: fieldsOf(fieldsOf(fieldsOf(spearletSchema).restart).backoff),
  InstanceSpec: fieldsOf(specSchema),
  ExpectSpec: fieldsOf(expectSchema),
  ExecuteRequestInput: fieldsOf(requestSchema),
  ExecuteOptions: fieldsOf(executeOptionsSchema),
  StartOptions: fieldsOf(startOptionsSchema),
  StopOptions: fieldsOf(stopOptionsSchema),
  InstanceStopOptions: fieldsOf(instanceStopOptionsSchema),
  RestartOptions: fieldsOf(restartOptionsSchema),
  RunOptions: fieldsOf(runOptionsSchema),
  PoolOptions: fieldsOf(poolSchema),
  PoolExecuteOptions: fieldsOf(poolExecuteOptionsSchema),
  PoolStopOptions: fieldsOf(poolStopOptionsSchema),
};

/** Interfaces of the agent's side, which loads no schemas, and those of call(), which passes its options on to execute(). */
const unchecked = ['ServeOptions', 'WriteOptions', 'CallOptions', 'PoolCallOptions'];

test('the table above has every public interface of options', () => {
  const names = declarations.map(({ name }) => name).filter(name => /(Options|Spec|Input)$/.test(name));
  expect(names.filter(name => !(name in options) && !unchecked.includes(name))).toEqual([]);
});

/** A value that a docstring gives; undefined for words, like `none`. */
function evaluated(text: string): unknown {
  try {
    return new Function(`return (${text});`)() as unknown;
  } catch {
    return undefined;
  }
}

test.each(Object.keys(options))('the docstrings of %s say the default of each option, as its schema has it', name => {
  const { members } = declarations.find(declaration => declaration.name === name)!;
  const wrong = members.flatMap(({ name: key, optional, doc }) => {
    if (!optional) return [];
    const stated = /@default ([\s\S]+)$/.exec(doc)?.[1];
    if (stated === undefined) return [`${key} has no @default`];
    const value = options[name]![key]!.parse(undefined);
    const actual = JSON.stringify(value instanceof Map ? Object.fromEntries(value) : value);
    return JSON.stringify(evaluated(stated)) === actual ? [] : [`${key} says @default ${stated}; the schema has ${actual}`];
  });
  expect(wrong).toEqual([]);
});

test.each(Object.keys(options))('the docstrings of %s say the unit of each number', name => {
  const { members } = declarations.find(declaration => declaration.name === name)!;
  const unit = /\b(ms|bytes|count|ports?|codes?)\b/;
  expect(members.filter(({ text, doc }) => /\bnumber\b/.test(text) && !unit.test(doc)).map(({ name: key }) => key)).toEqual([]);
});

test('docs/api.md has a section for every public name, which names every member of it', () => {
  const page = readFileSync(join(root, 'docs/api.md'), 'utf8');
  const sections = page.split(/^#+ /m).map(section => ({ heading: section.split('\n', 1)[0]!, section }));
  const missing = declarations.flatMap(({ name, members }) => {
    const section = sections.find(({ heading }) => heading.includes(`\`${name}\``))?.section;
    if (section === undefined) return [`a section with \`${name}\` in its heading`];
    const says = (word: string): boolean => new RegExp(`(?<![\\w$])${word.replaceAll(/[[\].$]/g, '\\$&')}(?![\\w$])`).test(section);
    return members.filter(member => !says(member.name) && member.name !== 'constructor').map(member => `${name}: ${member.name}`);
  });
  expect(missing).toEqual([]);
});

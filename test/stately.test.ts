// Each machine file imports as it stands into Stately's tools. These never run a file: they read one createMachine() call
// with everything written out in it. So that is what is checked, on the parsed source.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'vite';
import { describe, expect, test } from 'vitest';

const folder = join(import.meta.dirname, '..', 'machines');
const files = readdirSync(folder).filter(
  name => name.endsWith('.ts') && !['index.ts', 'instance-types.ts', 'public-types.ts'].includes(name),
);

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}
type Check = (value: Node, at: string, fault: Fault) => void;
type Fault = (at: string, what: string) => void;

const isText = (node: Node): boolean => node.type === 'Literal' && typeof node.value === 'string';
const text: Check = (node, at, fault) => {
  if (!isText(node)) fault(at, `${node.type} where a string is due`);
};
/** Literals all the way down: strings, numbers, null, objects and arrays of them. */
const literal: Check = (node, at, fault) => {
  if (node.type === 'ObjectExpression') each(node, at, fault, literal);
  else if (node.type === 'ArrayExpression') for (const element of node.elements as Node[]) literal(element, `${at}[]`, fault);
  else if (node.type !== 'Literal' && node.type !== 'UnaryExpression') fault(at, `${node.type} where a literal is due`);
};
const computed: Check = (node, at, fault) => {
  if (node.type !== 'ArrowFunctionExpression') literal(node, at, fault);
};

/** The properties of an object that is written out: no spread, no computed key, no shorthand, no method. */
function each(node: Node, at: string, fault: Fault, check: (value: Node, at: string, fault: Fault, name: string) => void): void {
  if (node.type !== 'ObjectExpression') return fault(at, `${node.type} where an object is due`);
  for (const property of node.properties as Node[]) {
    if (property.type !== 'Property') fault(at, property.type);
    else if (property.computed || property.shorthand || property.method) fault(at, 'a computed, shorthand or method property');
    else {
      const { name, value } = property.key as { name?: string; value?: string };
      check(property.value as Node, `${at}.${name ?? value}`, fault, String(name ?? value));
    }
  }
}

const object =
  (checks: Record<string, Check>, required: readonly string[] = []): Check =>
  (node, at, fault) => {
    const missing = new Set(required);
    each(node, at, fault, (value, where, _, name) => {
      missing.delete(name);
      const check = checks[name];
      if (check === undefined) fault(where, 'an unknown key');
      else check(value, where, fault);
    });
    for (const name of missing) fault(at, `no ${name}`);
  };
const record =
  (check: Check): Check =>
  (node, at, fault) =>
    each(node, at, fault, check);
const textOr =
  (check: Check): Check =>
  (node, at, fault) =>
    isText(node) || check(node, at, fault);
const oneOrMany =
  (check: Check): Check =>
  (node, at, fault) => {
    if (node.type !== 'ArrayExpression') return check(node, at, fault);
    for (const [i, element] of (node.elements as Node[]).entries()) check(element, `${at}[${i}]`, fault);
  };

/** `'name'` or `{ type: 'name', params }`: of an action and of a guard. */
const named = textOr(object({ type: text, params: computed }, ['type']));
const actions = oneOrMany(named);
const transitions = oneOrMany(textOr(object({ target: text, guard: named, actions, reenter: literal, description: text })));
const invoke = oneOrMany(
  object({ id: text, src: text, input: computed, onDone: transitions, onError: transitions, onSnapshot: transitions }, ['id', 'src']),
);
const state: Check = (node, at, fault) => object(stateKeys, ['description'])(node, at, fault);
const stateKeys: Record<string, Check> = {
  ...{ description: text, type: text, initial: text, tags: literal, meta: literal, output: computed },
  ...{ entry: actions, exit: actions, always: transitions, onDone: transitions, invoke },
  ...{ on: record(transitions), after: record(transitions), states: record(state) },
};
const machine = object({ ...stateKeys, id: text, context: computed }, ['id', 'description']);

/** What would not be imported of a machine file; nothing, where all is well. */
function faultsOf(source: string): string[] {
  const faults: string[] = [];
  const fault: Fault = (at, what) => void faults.push(`${at}: ${what}`);
  const machines: Node[] = [];
  for (const node of parseAst(source, { lang: 'ts' }).body as never as Node[]) {
    const declaration = node.type === 'ExportNamedDeclaration' ? (node.declaration as Node | null) : null;
    if (declaration?.type !== 'VariableDeclaration') continue;
    for (const { init } of declaration.declarations as { init: Node }[]) {
      const { callee, arguments: given } = init as never as { callee?: Node; arguments?: Node[] };
      const { object: made, property } = (callee ?? {}) as { object?: Node; property?: { name: string } };
      if (property?.name !== 'createMachine') continue;
      const isSetup = made?.type === 'CallExpression' && (made.callee as { name?: string }).name === 'setup';
      if (!isSetup || given?.length !== 1) fault('createMachine', 'not setup({…}).createMachine({…})');
      else machines.push(given[0]!);
    }
  }
  const calls = source.replace(/^\s*\/\/.*$/gm, '').split('createMachine(').length - 1;
  if (machines.length !== 1 || calls !== 1) fault('file', `${machines.length} exported machines, ${calls} calls of createMachine()`);
  for (const each of machines) machine(each, 'machine', fault);
  return faults;
}

test.each(files)('%s holds one machine, written out', file => {
  expect(faultsOf(readFileSync(join(folder, file), 'utf8'))).toEqual([]);
});

describe('the check finds', () => {
  const whole = `
    const part = { description: 'p' };
    export const m = setup({}).createMachine({
      id: 'm', description: 'd', context: ({ input }) => ({ input }), initial: 'a', entry: [{ type: 'act', params: () => ({}) }, 'do'],
      states: { a: { description: 'a', on: { 'x.*': { guard: 'g', target: 'a' } }, after: { d: [{ target: 'a' }, 'a'] } }, b: { description: 'b' } },
    });`;
  test('nothing in a machine that is written out', () => expect(faultsOf(whole)).toEqual([]));

  test.each([
    ['a spread', "b: { description: 'b' }", "b: { ...part }, description: 'b'", 'machine.states.b: SpreadElement'],
    ['a state in a constant', "b: { description: 'b' }", 'b: part', 'machine.states.b: Identifier where an object is due'],
    ['a state by shorthand', "b: { description: 'b' }", 'part', 'machine.states: a computed, shorthand or method property'],
    ['a state that is made', "b: { description: 'b' }", 'b: make()', 'machine.states.b: CallExpression where an object is due'],
    ['a computed key', "'x.*': {", '[name]: {', 'machine.states.a.on: a computed, shorthand or method property'],
    ['a state without description', "b: { description: 'b' }", 'b: {}', 'machine.states.b: no description'],
    ['a machine without id', "id: 'm', ", '', 'machine: no id'],
    ['an action that is a call', "'do'", "raise({ type: 'e' })", 'machine.entry[1]: CallExpression where an object is due'],
    ['an action that is a function', "'do'", '() => {}', 'machine.entry[1]: ArrowFunctionExpression where an object is due'],
    ['a guard that is a function', "guard: 'g'", 'guard: () => true', 'on.x.*.guard: ArrowFunctionExpression where an object is due'],
    ['a target in a constant', "guard: 'g', target: 'a'", "guard: 'g', target: A", 'on.x.*.target: Identifier where a string is due'],
    ['a description that is put together', "description: 'd'", "description: 'd' + 'e'", 'BinaryExpression where a string is due'],
    ['a machine that is not set up', 'setup({})', 'machines', 'createMachine: not setup({…}).createMachine({…})'],
    ['a machine in a constant', /createMachine\(\{[\s\S]*\}\)/, 'createMachine(part)', 'machine: Identifier where an object is due'],
    ['a second machine', 'const part', 'export const n = setup({}).createMachine({}); const part', '2 exported machines, 2 calls'],
    ['a misspelt key', 'initial:', 'inital:', 'machine.inital: an unknown key'],
  ])('%s', (_, from, to, fault) => {
    const spoilt = whole.replace(from, to);
    expect(spoilt).not.toBe(whole);
    expect(faultsOf(spoilt).join('\n')).toContain(fault);
  });
});

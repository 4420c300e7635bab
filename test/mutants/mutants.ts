// Mutants of a source file: the text with one small change, such as a condition turned round or a call removed. Types,
// comments and texts for people are never changed. It knows no test.
import { basename } from 'node:path';
import { parseAst } from 'vite';

export interface Mutant {
  readonly file: string;
  readonly line: number;
  /** The changed lines, before and after. They say which mutant it is, also after the file was moved. */
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value && 'start' in value;

/** An operator and the one that takes its place. */
const operators = new Map(
  Object.entries({
    '<': '<=',
    '<=': '<',
    '>': '>=',
    '>=': '>',
    '===': '!==',
    '!==': '===',
    '+': '-',
    '-': '+',
    '*': '/',
    '/': '*',
    '%': '*',
    '&&': '||',
    '||': '&&',
    '+=': '-=',
    '-=': '+=',
    '++': '--',
    '--': '++',
  }),
);

const methods = new Map(Object.entries({ min: 'max', max: 'min', some: 'every', every: 'some', shift: 'pop', unshift: 'push' }));

const jumps = ['ReturnStatement', 'ContinueStatement', 'BreakStatement', 'ThrowStatement'];

/** Is it text for people? A name, as of an event or a signal, has no blanks. */
const isText = (node: Node): boolean => node.type === 'TemplateLiteral' || (typeof node.value === 'string' && /\s|^$/.test(node.value));

/** Does the statement only jump? Then without it the rest of the function runs. */
function isJump(statement: unknown): boolean {
  if (!isNode(statement)) return false;
  if (statement.type === 'BlockStatement') return (statement.body as Node[]).length === 1 && isJump((statement.body as Node[])[0]);
  return jumps.includes(statement.type);
}

/** Every mutant of a file, in the order of its text. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const mutants: Mutant[] = [];
  const keys = new Map<string, number>();

  const add = (start: number, end: number, replacement: string): void => {
    const from = source.lastIndexOf('\n', start - 1) + 1;
    const until = source.indexOf('\n', end);
    const short = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, 160);
    const before = short(source.slice(from, until));
    const after = short(source.slice(from, start) + replacement + source.slice(end, until));
    const key = `${basename(file)}: ${before} → ${after || 'removed'}`;
    const count = (keys.get(key) ?? 0) + 1;
    keys.set(key, count);
    const line = source.slice(0, start).split('\n').length;
    mutants.push({ file, line, key: count === 1 ? key : `${key} (${count})`, start, end, replacement });
  };
  const text = (node: Node): string => source.slice(node.start, node.end);
  const negate = (test: Node): void => {
    // A comparison has its own opposite among the operators.
    if (test.type !== 'BinaryExpression' && test.type !== 'UnaryExpression') add(test.start, test.end, `!(${text(test)})`);
  };
  const swap = (operator: string, from: number, to: number): void => {
    const other = operators.get(operator);
    const at = source.slice(from, to).indexOf(operator);
    if (other !== undefined && at !== -1) add(from + at, from + at + operator.length, other);
  };

  const change = (node: Node): void => {
    const [left, right, argument] = [node.left, node.right, node.argument] as Node[];
    switch (node.type) {
      case 'IfStatement':
        if (!node.alternate && isJump(node.consequent)) add(node.start, node.end, '');
        negate(node.test as Node);
        break;
      case 'ConditionalExpression':
      case 'WhileStatement':
        negate(node.test as Node);
        break;
      case 'BinaryExpression':
        if (node.operator !== '+' || (!isText(left!) && !isText(right!))) swap(node.operator as string, left!.end, right!.start);
        break;
      case 'LogicalExpression':
        if (node.operator === '??') add(left!.end, node.end, '');
        else swap(node.operator as string, left!.end, right!.start);
        break;
      case 'AssignmentExpression':
        if (node.operator !== '=' && !isText(right!)) swap(node.operator as string, left!.end, right!.start);
        break;
      case 'UpdateExpression':
        if (node.prefix) swap(node.operator as string, node.start, argument!.start);
        else swap(node.operator as string, argument!.end, node.end);
        break;
      case 'UnaryExpression':
        if (node.operator === '!') add(node.start, node.start + 1, '');
        break;
      case 'ExpressionStatement':
        if (typeof node.directive !== 'string') add(node.start, node.end, ';');
        break;
      case 'MemberExpression': {
        const property = node.property as Node;
        if (node.optional && !node.computed) add((node.object as Node).end, property.start, '.');
        const other = methods.get(property.name as string);
        if (other !== undefined && source[property.end] === '(') add(property.start, property.end, other);
        break;
      }
      case 'Literal':
        if (typeof node.value === 'boolean') add(node.start, node.end, String(!node.value));
        // A bound that is twice as high must show; of 0 and 1 the neighbour.
        else if (typeof node.value === 'number') add(node.start, node.end, String(node.value < 2 ? node.value + 1 : node.value * 2));
        else if (typeof node.value === 'string' && !isText(node)) add(node.start, node.end, "''");
        break;
    }
  };

  const visit = (node: Node): void => {
    // An `as`, `satisfies` or `!` holds a value; all else that TypeScript adds is types.
    if (node.type.startsWith('TS')) {
      if (isNode(node.expression)) visit(node.expression);
      return;
    }
    if (node.type === 'ImportDeclaration' || node.type === 'ExportAllDeclaration') return;
    if (node.type === 'ExportNamedDeclaration' && node.source) return;
    // A text for people is put together here.
    if (node.type === 'ThrowStatement' || node.type === 'TemplateLiteral') return;
    change(node);
    for (const [name, child] of Object.entries(node)) {
      // The name of a property is not its value.
      if ((name === 'key' || name === 'property') && !node.computed) continue;
      for (const each of Array.isArray(child) ? child : [child]) if (isNode(each)) visit(each);
    }
  };
  for (const node of parseAst(source, { lang: 'ts' }).body as unknown as Node[]) visit(node);
  return mutants;
}

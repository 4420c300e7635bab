// Reads what the built package declares: the files that its entries reach, their declarations and the members of these.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseAst } from 'vite';

const root = join(import.meta.dirname, '../..');

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export interface Member {
  readonly name: string;
  readonly optional: boolean;
  readonly doc: string;
  readonly text: string;
}

export interface Declaration {
  readonly file: string;
  readonly name: string;
  readonly doc: string;
  /** Of a union of object types, the members of all. */
  readonly members: readonly Member[];
}

/** The text of the doc comment that ends right before `at`; empty: there is none. */
const docBefore = (source: string, at: number): string => {
  const before = source.slice(0, at).trimEnd();
  if (!before.endsWith('*/')) return '';
  const comment = before.slice(before.lastIndexOf('/*'), -2);
  return comment.startsWith('/**')
    ? comment
        .slice(3)
        .replaceAll(/^\s*\* ?/gm, '')
        .trim()
    : '';
};

/** Every object type within a node, but no object type within another. */
function* objectTypes(node: unknown): Generator<Node[]> {
  if (typeof node !== 'object' || node === null) return;
  const { type, members, body } = node as Record<string, unknown>;
  if (type === 'TSTypeLiteral') yield members as Node[];
  else if (type === 'TSInterfaceBody' || type === 'ClassBody') yield body as Node[];
  else for (const child of Object.values(node)) yield* objectTypes(child);
}

function membersOf(source: string, node: Node): Member[] {
  const members = new Map<string, Member>();
  for (const member of [...objectTypes(node)].flat()) {
    const { name, value, property } = (member.key ?? {}) as { name?: string; value?: string; property?: { name: string } };
    const key = name ?? value ?? `Symbol.${property?.name}`;
    const [doc, text] = [docBefore(source, member.start), source.slice(member.start, member.end)];
    const known = members.get(key);
    // Each overload needs a doc of its own; of the object types of a union, one.
    const isBetter = known !== undefined && (member.type === 'TSMethodSignature' ? doc === '' : known.doc === '');
    if (known === undefined || isBetter) members.set(key, { name: key, optional: member.optional === true, doc, text });
  }
  return [...members.values()];
}

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, string | { types: string }> };

/** The declaration files of the public entries. */
export const entries = Object.values(exports).flatMap(entry => (typeof entry === 'string' ? [] : entry.types));

/** Every declaration file that the entries reach. */
export async function declarationFiles(): Promise<string[]> {
  const { reachedFrom } = (await import(join(root, 'trim.js'))) as { reachedFrom(entries: string[], extension: string): Set<string> };
  return [
    ...reachedFrom(
      entries.map(entry => join(root, entry)),
      '.d.ts',
    ),
  ].map(file => relative(root, file));
}

export function declarationsOf(file: string): Declaration[] {
  const source = readFileSync(join(root, file), 'utf8');
  return (parseAst(source, { lang: 'dts' }).body as never as Node[]).flatMap(statement => {
    const node = (statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement) as Node | null;
    const declared = (node?.declarations as Node[] | undefined)?.[0] ?? node;
    const name = (declared?.id as { name?: string } | null | undefined)?.name;
    if (name === undefined) return [];
    const doc = docBefore(source, statement.start);
    // A constant shows its value, and needs no docs within.
    return [{ file, name, doc, members: node === declared ? membersOf(source, node!) : [] }];
  });
}

/** The names of what an entry exports, as they are where they are declared. */
export function exportedBy(entry: string): string[] {
  const source = readFileSync(join(root, entry), 'utf8');
  return (parseAst(source, { lang: 'dts' }).body as never as Node[]).flatMap(({ type, specifiers, declaration }) => {
    if (type !== 'ExportNamedDeclaration') return [];
    const own = declaration as Node | null | undefined;
    const name = (((own?.declarations as Node[] | undefined)?.[0] ?? own)?.id as { name?: string } | undefined)?.name;
    return name === undefined ? ((specifiers ?? []) as { local: { name: string } }[]).map(({ local }) => local.name) : [name];
  });
}

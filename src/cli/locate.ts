// Finds the places of a JSON text: where an issue is, where a key stands twice, and where the text stops being JSON.
import { type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';

export interface Place {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
}

export interface Located {
  /** The place of the value at a path of keys joined with dots, or of its key. Of a missing one: that of what should hold it. */
  placeOf(path: string, part: 'key' | 'value'): Place;
  /** The paths of keys that stand twice in one object. */
  readonly repeated: readonly { readonly path: string; readonly place: Place }[];
}

function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}

/** The place and the kind of the first error of a text that is no JSON, as 'comma expected'. */
export function syntaxError(text: string): Place & { readonly message: string } {
  const errors: ParseError[] = [];
  parseTree(text, errors, { disallowComments: true });
  const [first] = errors;
  if (first === undefined) return { message: 'not JSON', line: 1, column: 1 };
  const words = printParseErrorCode(first.error).replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');
  return { message: `not JSON: ${words.toLowerCase()}`, ...placeAt(text, first.offset) };
}

/** The children of an object or a list, with their keys. */
const childrenOf = ({ type, children = [] }: Node): { key: string; keyNode: Node; valueNode: Node }[] =>
  children.map((child, i) => {
    const [keyNode, valueNode] = type === 'object' ? [child.children![0]!, child.children![1]!] : [child, child];
    return { key: type === 'object' ? (keyNode.value as string) : String(i), keyNode, valueNode };
  });

/** For a text that is JSON. */
export function locate(text: string): Located {
  const root = parseTree(text)!;
  const repeated: { path: string; place: Place }[] = [];
  const visit = (node: Node, path: string): void => {
    const seen = new Set<string>();
    for (const { key, keyNode, valueNode } of childrenOf(node)) {
      const at = path === '' ? key : `${path}.${key}`;
      if (seen.has(key)) repeated.push({ path: at, place: placeAt(text, keyNode.offset) });
      seen.add(key);
      visit(valueNode, at);
    }
  };
  visit(root, '');
  return {
    repeated,
    placeOf(path, part) {
      let node = root;
      let offset = root.offset;
      for (let rest = path; rest !== ''; ) {
        // A key may hold dots itself, so the longest key that fits is taken.
        const [child] = childrenOf(node)
          .filter(({ key }) => rest === key || rest.startsWith(`${key}.`))
          .sort((a, b) => b.key.length - a.key.length);
        if (child === undefined) break;
        rest = rest.slice(child.key.length + 1);
        node = child.valueNode;
        offset = (part === 'key' && rest === '' ? child.keyNode : node).offset;
      }
      return placeAt(text, offset);
    },
  };
}

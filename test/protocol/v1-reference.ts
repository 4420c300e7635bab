// A second reader of wire v1, as plain as it can be: a tree of the whole JSON first, then the rules of serde on the tree. Slow, and
// without a fast path, so that the reader of src has something to be compared with.

/** Strings and numbers stay as they were sent, one character a byte. */
type Tree =
  | { kind: 'string' | 'number' | 'word'; raw: string }
  | { kind: 'array'; items: Tree[]; raw: string }
  | { kind: 'object'; pairs: [Tree, Tree][]; raw: string };

class Refused extends Error {}
const refuse = (): never => {
  throw new Refused();
};

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;

function parse(bytes: Buffer): Tree {
  const source = bytes.toString('latin1');
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const taken = (character: string): boolean => {
    match(SPACE);
    if (source[at] !== character) return false;
    at += 1;
    return true;
  };
  const list = (closing: string, item: () => void): void => {
    if (taken(closing)) return;
    do item();
    while (taken(','));
    if (!taken(closing)) refuse();
  };
  const value = (): Tree => {
    match(SPACE);
    const from = at;
    if (taken('[')) {
      const items: Tree[] = [];
      list(']', () => items.push(value()));
      return { kind: 'array', items, raw: source.slice(from, at) };
    }
    if (taken('{')) {
      const pairs: [Tree, Tree][] = [];
      list('}', () => {
        const key = value();
        if (key.kind !== 'string' || !taken(':')) refuse();
        pairs.push([key, value()]);
      });
      return { kind: 'object', pairs, raw: source.slice(from, at) };
    }
    for (const [kind, pattern] of [
      ['string', STRING],
      ['number', NUMBER],
      ['word', WORD],
    ] as const) {
      const raw = match(pattern);
      if (raw !== undefined) return { kind, raw };
    }
    return refuse();
  };
  const tree = value();
  match(SPACE);
  return at === source.length ? tree : refuse();
}

const text = (tree: Tree): string => {
  if (tree.kind !== 'string') return refuse();
  try {
    const decoded: string = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(tree.raw, 'latin1')));
    return decoded.isWellFormed() ? decoded : refuse();
  } catch {
    return refuse();
  }
};
const option =
  <T>(read: (tree: Tree) => T) =>
  (tree: Tree): T | null =>
    tree.raw === 'null' ? null : read(tree);
const integer =
  (min: bigint, max: bigint) =>
  (tree: Tree): number | bigint => {
    if (tree.kind !== 'number' || !/^(0|-?[1-9][0-9]*)$/.test(tree.raw)) return refuse();
    const exact = BigInt(tree.raw);
    if (exact < min || exact > max) return refuse();
    return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
  };
const name =
  (...names: string[]) =>
  (tree: Tree): string => {
    if (tree.kind === 'object' && (tree.pairs.length !== 1 || tree.pairs[0]![1].raw !== 'null')) refuse();
    const found = text(tree.kind === 'object' ? tree.pairs[0]![0] : tree);
    return names.includes(found) ? found : refuse();
  };
const array =
  <T>(item: (tree: Tree) => T) =>
  (tree: Tree): T[] =>
    tree.kind === 'array' ? tree.items.map(item) : refuse();

type Fields = Record<string, { read: (tree: Tree) => unknown; optional?: true }>;

/** The fields by their names, and the texts of unknown ones. */
function struct(tree: Tree, fields: Fields, denyUnknown = false): { known: Record<string, never>; unknown: Map<string, string> } {
  const names = Object.keys(fields);
  const known: Record<string, unknown> = {};
  const unknown = new Map<string, string>();
  if (tree.kind === 'array') {
    if (tree.items.length !== names.length) refuse();
    names.forEach((each, i) => {
      known[each] = fields[each]!.read(tree.items[i]!);
    });
  } else if (tree.kind === 'object') {
    for (const [key, value] of tree.pairs) {
      const each = text(key);
      if (!Object.hasOwn(fields, each)) {
        if (denyUnknown) refuse();
        unknown.set(each, value.raw);
      } else if (Object.hasOwn(known, each)) refuse();
      else known[each] = fields[each]!.read(value);
    }
    for (const each of names)
      if (!Object.hasOwn(known, each)) {
        if (fields[each]!.optional === undefined) refuse();
        known[each] = null;
      }
  } else refuse();
  return { known: known as Record<string, never>, unknown };
}

const TIMESTAMP: Fields = {
  secs_since_epoch: { read: integer(0n, 2n ** 63n - 1n) },
  nanos_since_epoch: { read: integer(0n, 2n ** 32n - 1n) },
};
const MESSAGE: Fields = {
  message_type: {
    read: name('AuthRequest', 'AuthResponse', 'ExecuteRequest', 'ExecuteResponse', 'Signal', 'Heartbeat', 'Error'),
  },
  request_id: { read: integer(0n, 2n ** 64n - 1n) },
  timestamp: {
    read(tree) {
      const { secs_since_epoch, nanos_since_epoch } = struct(tree, TIMESTAMP, true).known;
      if (BigInt(secs_since_epoch!) + BigInt(Math.floor(nanos_since_epoch! / 1e9)) >= 2n ** 63n) refuse();
    },
  },
  payload: { read: tree => Buffer.from(array(integer(0n, 255n))(tree) as number[]) },
};
const REQUEST: Fields = {
  task_id: { read: text },
  command: { read: text },
  args: { read: array(text) },
  env: { read: tree => (tree.kind === 'object' ? new Map(tree.pairs.map(([key, value]) => [text(key), text(value)])) : refuse()) },
};
const RESPONSE: Fields = {
  task_id: { read: text },
  status: { read: name('Started', 'Running', 'Completed', 'Failed') },
  output: { read: option(text), optional: true },
  error: { read: option(text), optional: true },
  exit_code: { read: option(integer(-(2n ** 31n), 2n ** 31n - 1n)), optional: true },
};

function message(body: Buffer): unknown[] {
  const { message_type, request_id, payload } = struct(parse(body), MESSAGE).known;
  if (message_type === 'ExecuteRequest') {
    const { task_id: taskId, command, args, env } = struct(parse(payload!), REQUEST).known;
    return ['request', request_id, { taskId, command, args, env }];
  }
  if (message_type === 'ExecuteResponse') {
    const { known, unknown } = struct(parse(payload!), RESPONSE);
    const { task_id: taskId, status, output, error, exit_code: exitCode } = known;
    const offset = unknown.get('output_offset') ?? '';
    const response = { taskId, status, output, error, exitCode };
    return ['response', request_id, /^\d{1,15}$/.test(offset) ? { ...response, outputOffset: Number(offset) } : response];
  }
  return [message_type, payload!];
}

export interface Seen {
  messages: unknown[][];
  /** The code of the error that ended the stream. */
  error: string | null;
  unfinished: number;
}

/** What a stream says: its messages up to the first fault, and that fault. */
export function readPlainly(stream: Buffer, limit: number): Seen {
  const messages: unknown[][] = [];
  let at = 0;
  while (stream.length - at >= 8) {
    const length = stream.readBigUInt64LE(at);
    if (length > BigInt(limit)) return { messages, error: 'FRAME_TOO_LARGE', unfinished: 0 };
    if (length === 0n) return { messages, error: 'PROTOCOL_ERROR', unfinished: 0 };
    const end = at + 8 + Number(length);
    if (end > stream.length) break;
    try {
      messages.push(message(stream.subarray(at + 8, end)));
    } catch (fault) {
      if (!(fault instanceof Refused)) throw fault;
      return { messages, error: 'PROTOCOL_ERROR', unfinished: 0 };
    }
    at = end;
  }
  return { messages, error: null, unfinished: stream.length - at };
}

// Structs as serde reads them: fields in any order, once each, known ones required, unknown ones skipped.
import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  type Cursor,
  eachElement,
  fault,
  OPEN_ARRAY,
  OPEN_OBJECT,
  peek,
  type Read,
  readString,
  take,
} from './json.ts';
import { skipValue } from './skip.ts';

export interface Field {
  readonly name: string;
  readonly literal: Buffer;
  readonly read: Read<unknown>;
  /** An Option: missing means null. */
  readonly optional: boolean;
}

export interface Struct {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly denyUnknown: boolean;
  /**
   * Fields that are unknown to serde, which ignores them. Their JSON texts are the last values, in this order; null where one is
   * missing. They may hold anything.
   */
  readonly extras?: readonly string[];
}

const missing = Symbol('missing');
const NONE: never[] = [];

export function field(name: string, read: Read<unknown>, optional = false): Field {
  return { name, literal: Buffer.from(`"${name}":`), read, optional };
}

function isLiteral(cursor: Cursor, literal: Buffer): boolean {
  const { bytes, at } = cursor;
  if (at + literal.length > bytes.length) return false;
  for (let i = 0; i < literal.length; i += 1) if (bytes[at + i] !== literal[i]) return false;
  return true;
}

/** Reads a struct, as an object or as an array of all its fields, into its values in the order of its fields. */
export function readStruct(cursor: Cursor, struct: Struct): unknown[] {
  const { fields } = struct;
  const opening = peek(cursor);
  if (opening === OPEN_ARRAY) return readSequence(cursor, struct);
  if (opening !== OPEN_OBJECT) throw fault(cursor, `expected ${struct.name}`);
  cursor.at += 1;
  const { extras = NONE } = struct;
  const values: unknown[] = [];
  for (let i = 0; i < fields.length; i += 1) values.push(missing);
  for (let i = 0; i < extras.length; i += 1) values.push(null);
  let expected = 0;
  if (peek(cursor) === CLOSE_OBJECT) cursor.at += 1;
  else
    for (;;) {
      peek(cursor);
      let index = expected;
      let extra = -1;
      const likely = fields[expected];
      if (likely !== undefined && isLiteral(cursor, likely.literal)) cursor.at += likely.literal.length;
      else {
        const name = readString(cursor);
        index = indexOf(fields, name);
        extra = extras.indexOf(name);
        if (index === -1 && struct.denyUnknown) throw fault(cursor, `unknown field in ${struct.name}`);
        take(cursor, COLON, "':'");
      }
      const known = fields[index];
      if (known === undefined) {
        const from = cursor.at;
        skipValue(cursor);
        if (extra >= 0) values[fields.length + extra] = cursor.bytes.toString('utf8', from, cursor.at).trim();
      } else {
        if (values[index] !== missing) throw fault(cursor, `duplicate field '${known.name}' in ${struct.name}`);
        values[index] = known.read(cursor);
        expected = index + 1;
      }
      if (peek(cursor) === CLOSE_OBJECT) {
        cursor.at += 1;
        break;
      }
      take(cursor, COMMA, "',' or '}'");
    }
  for (let i = 0; i < fields.length; i += 1) {
    if (values[i] !== missing) continue;
    if (!fields[i]!.optional) throw fault(cursor, `missing field '${fields[i]!.name}' in ${struct.name}`);
    values[i] = null;
  }
  return values;
}

function indexOf(fields: readonly Field[], name: string): number {
  for (let i = 0; i < fields.length; i += 1) if (fields[i]!.name === name) return i;
  return -1;
}

function readSequence(cursor: Cursor, struct: Struct): unknown[] {
  const values: unknown[] = [];
  eachElement(cursor, () => {
    const next = struct.fields[values.length];
    if (next === undefined) throw fault(cursor, `too many elements for ${struct.name}`);
    values.push(next.read(cursor));
  });
  if (values.length < struct.fields.length) throw fault(cursor, `too few elements for ${struct.name}`);
  return values;
}

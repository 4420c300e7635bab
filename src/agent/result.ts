// What a handler may return, and the answer that it stands for. Everything else is refused, with the names of what was
// found: a result that nobody understands must not look like an empty one.
import { reasonOf } from '../errors.ts';
import type { ExecuteResponse } from '../protocol/message.ts';

export type HandlerResult =
  | string
  | { readonly output?: string; readonly exitCode?: number; readonly error?: string }
  | null
  | undefined
  | void;

/** An answer without the ids of its execution. */
export type Answer = Omit<ExecuteResponse, 'taskId'>;

const KEYS = ['output', 'exitCode', 'error'];
const MAX_EXIT_CODE = 2 ** 31 - 1;
/** So many unknown keys are named, so many characters of each. */
const NAMED_KEYS = 5;
const NAMED_LENGTH = 64;

export const failed = (error: string, exitCode = 1): Answer => ({ status: 'Failed', output: null, error, exitCode });

const refuse = (found: string): TypeError =>
  new TypeError(`a handler returns a text, an object of output, exitCode and error, or nothing; found ${found}`);

/** What kind of value it is: its class for an object, its type for all else. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (value === undefined || value === null) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  const maker: unknown = value.constructor;
  return typeof maker === 'function' && maker.name !== '' ? `an object of the class ${maker.name}` : 'an object';
}

function keysIn(names: readonly string[]): string {
  const named = names.slice(0, NAMED_KEYS).map(name => `'${name.slice(0, NAMED_LENGTH)}'`);
  const more = names.length > NAMED_KEYS ? ` and ${names.length - NAMED_KEYS} more` : '';
  return `${names.length === 1 ? 'the key' : 'the keys'} ${named.join(', ')}${more}`;
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Of this realm or another.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};

/** The answer for what a handler returned. Throws TypeError for what means nothing, and whatever its getters throw. */
export function answerOf(value: unknown): Answer {
  if (value === undefined || value === null) return { status: 'Completed', output: null, error: null, exitCode: 0 };
  if (typeof value === 'string') return { status: 'Completed', output: value, error: null, exitCode: 0 };
  if (typeof value !== 'object' || Array.isArray(value)) throw refuse(kindOf(value));
  const { output = null, error = null, exitCode: code = null } = value as Record<string, unknown>;
  // Bytes, Maps, Dates and the like have none of our keys, and many of their own.
  const known = output !== null || error !== null || code !== null;
  if (!known && !isPlain(value)) throw refuse(kindOf(value));
  const unknown = Object.keys(value).filter(key => !KEYS.includes(key));
  if (unknown.length > 0) throw refuse(`an object with ${keysIn(unknown)}`);
  if (output !== null && typeof output !== 'string') throw refuse(`an output that is ${kindOf(output)}`);
  if (error !== null && typeof error !== 'string') throw refuse(`an error that is ${kindOf(error)}: ${reasonOf(error)}`);
  const exitCode = code ?? 0;
  if (typeof exitCode !== 'number') throw refuse(`an exitCode that is ${kindOf(exitCode)}, not a 32-bit integer`);
  if (!Number.isInteger(exitCode) || Math.abs(exitCode) > MAX_EXIT_CODE)
    throw refuse(`an exitCode that is ${exitCode}, not a 32-bit integer`);
  const ok = exitCode === 0 && error === null;
  return { status: ok ? 'Completed' : 'Failed', output, error, exitCode };
}

// Turns the return value of a handler into an answer. An unknown value is refused with a message that names it: it must not
// look like an empty result.
import { reasonOf } from '../errors.ts';
import type { ExecuteResponse } from '../protocol/message.ts';

/** What a handler returns: a text is the output. An object with an `error` or an `exitCode` other than 0 is a failure. */
export type HandlerResult =
  | string
  | {
      /** The output of the answer. */
      readonly output?: string;
      /** The exit code of the answer, a 32-bit integer: by default 0. */
      readonly exitCode?: number;
      /** What went wrong. */
      readonly error?: string;
    }
  | null
  | undefined
  | void;

/**
 * An answer without the ids of its execution.
 * @internal
 */
export type Answer = Omit<ExecuteResponse, 'taskId'>;

const KEYS = ['output', 'exitCode', 'error'];
const MAX_EXIT_CODE = 2 ** 31 - 1;
/** Unknown keys that a message names. */
const NAMED_KEYS = 5;
/** Characters of each named key. */
const NAMED_LENGTH = 64;

/** @internal */
export const failed = (error: string, exitCode = 1): Answer => ({ status: 'Failed', output: null, error, exitCode });

const refuse = (found: string): TypeError =>
  new TypeError(`a handler returns a text, an object of output, exitCode and error, or nothing; found ${found}`);

/**
 * Names the kind of a value for a message: the class of an object, else the type.
 * @internal
 */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (value === undefined || value === null) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  const type: unknown = value.constructor;
  return typeof type === 'function' && type.name !== '' ? `an object of the class ${type.name}` : 'an object';
}

function listKeys(names: readonly string[]): string {
  const named = names.slice(0, NAMED_KEYS).map(name => `'${name.slice(0, NAMED_LENGTH)}'`);
  const more = names.length > NAMED_KEYS ? ` and ${names.length - NAMED_KEYS} more` : '';
  return `${names.length === 1 ? 'the key' : 'the keys'} ${named.join(', ')}${more}`;
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Object.prototype, of this realm or another.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};

/**
 * Throws TypeError for a value that a handler may not return, and whatever the getters of the value throw.
 * @internal
 */
export function answerOf(value: unknown): Answer {
  if (value === undefined || value === null) return { status: 'Completed', output: null, error: null, exitCode: 0 };
  if (typeof value === 'string') return { status: 'Completed', output: value, error: null, exitCode: 0 };
  if (typeof value !== 'object' || Array.isArray(value)) throw refuse(kindOf(value));
  const { output = null, error = null, exitCode: code = null } = value as Record<string, unknown>;
  // Buffers, Maps and Dates have none of these keys, and their own keys would make a long message.
  const hasKnownKey = output !== null || error !== null || code !== null;
  if (!hasKnownKey && !isPlain(value)) throw refuse(kindOf(value));
  const unknown = Object.keys(value).filter(key => !KEYS.includes(key));
  if (unknown.length > 0) throw refuse(`an object with ${listKeys(unknown)}`);
  if (output !== null && typeof output !== 'string') throw refuse(`an output that is ${kindOf(output)}`);
  if (error !== null && typeof error !== 'string') throw refuse(`an error that is ${kindOf(error)}: ${reasonOf(error)}`);
  const exitCode = code ?? 0;
  if (typeof exitCode !== 'number') throw refuse(`an exitCode that is ${kindOf(exitCode)}, not a 32-bit integer`);
  if (!Number.isInteger(exitCode) || Math.abs(exitCode) > MAX_EXIT_CODE)
    throw refuse(`an exitCode that is ${exitCode}, not a 32-bit integer`);
  const ok = exitCode === 0 && error === null;
  return { status: ok ? 'Completed' : 'Failed', output, error, exitCode };
}

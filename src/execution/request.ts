// The request of an execution: parsed, measured, and compared with one in flight that has the same task id.
import { isDeepStrictEqual } from 'node:util';
import { type ErrorFacts, SpearletError } from '../errors.ts';
import {
  defaultExecuteOptions,
  type ExecuteOptions,
  type ExecuteRequestInput,
  executeOptionsSchema,
  type ParsedExecuteOptions,
  type ParsedRequest,
  requestSchema,
} from '../option-schemas.ts';
import { parse } from '../parse.ts';

/** What each text of a request takes beside its characters. */
const TEXT_COST = 4;

const NO_VARIABLES: ReadonlyMap<string, string> = new Map();

/**
 * A request of a command and arguments only, which is what most are: checked by hand, because the schema costs more than the rest of
 * `execute()`. Null: the schema decides, and names every fault.
 */
function plainRequest(input: ExecuteRequestInput): ParsedRequest | null {
  if (typeof input !== 'object' || input === null || Object.getPrototypeOf(input) !== Object.prototype) return null;
  for (const key in input) if (key !== 'command' && key !== 'args') return null;
  const { command, args = [] } = input;
  if (typeof command !== 'string' || !command.isWellFormed() || !Array.isArray(args)) return null;
  const copied: string[] = [];
  for (const each of args) {
    if (typeof each !== 'string' || !each.isWellFormed()) return null;
    copied.push(each);
  }
  return { command, args: copied, env: NO_VARIABLES, settings: undefined };
}

/** The arguments of `execute()`. Throws INVALID_OPTIONS. */
export function parseRequest(input: ExecuteRequestInput): ParsedRequest {
  let plain: ParsedRequest | null = null;
  try {
    plain = plainRequest(input);
  } catch {
    // A getter or a Proxy has thrown: the schema says so.
  }
  return plain ?? parse(requestSchema, input, 'execute()');
}

export const parseOptions = (input: ExecuteOptions | undefined): ParsedExecuteOptions =>
  input === undefined ? defaultExecuteOptions : parse(executeOptionsSchema, input, 'execute() options');

/** The size of a request: the UTF-16 units of its texts, and the bytes of its input. */
export function requestSize(taskId: string, { command, args, env, input }: ParsedRequest): number {
  let size =
    taskId.length + command.length + (input instanceof Uint8Array ? input.length : 0) + (2 + args.length + 2 * env.size) * TEXT_COST;
  for (const each of args) size += each.length;
  for (const [name, value] of env) size += name.length + value.length;
  return size;
}

/** Throws FRAME_TOO_LARGE if a frame, or the least that it can be, is larger than the bound. */
export function checkSize(what: string, size: number, maxFrameBytes: number, ids: ErrorFacts = {}): void {
  if (size <= maxFrameBytes) return;
  const message = `${what} needs ${size} bytes on the wire or more, the bound is maxFrameBytes (${maxFrameBytes})`;
  throw new SpearletError('FRAME_TOO_LARGE', message, ids);
}

/**
 * The execution that a task id in flight stands for, if the same is asked for again. Throws INVALID_OPTIONS if another request or
 * encoding is.
 */
export function attached<E>(
  named: { readonly execution: E; readonly request: ParsedRequest; readonly encoding: string },
  request: ParsedRequest,
  { encoding }: ParsedExecuteOptions,
): E {
  if (encoding === named.encoding && isDeepStrictEqual(request, named.request)) return named.execution;
  throw new SpearletError('INVALID_OPTIONS', `the task id '${request.taskId}' is in flight already, with another request`, {
    hint: 'The same request with the same task id attaches to the execution that is in flight. Another request needs another task id.',
  });
}

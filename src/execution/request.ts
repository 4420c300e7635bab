// The request of an execution: parsed, measured and encoded. All is checked before anything is queued.
import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import { type ErrorFacts, SpearletError } from '../errors.ts';
import type { RequestSettings } from '../options/execution.ts';
import {
  defaultExecuteOptions,
  type ExecuteOptions,
  type ExecuteRequestInput,
  executeOptionsSchema,
  type ParsedExecuteOptions,
  type ParsedRequest,
  requestSchema,
} from '../options.ts';
import { parse } from '../parse.ts';
import type { HostCodec } from '../protocol/codec.ts';
import { featureOf } from '../protocol/message.ts';
import type { Pieces } from '../protocol/pieces.ts';

/** Requests may take 4 times `maxQueuedBytes` as frames of wire v1. More unsent bytes are answers that the agent does not read. */
export const UNREAD_FACTOR = 5;
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

const unsupported = (what: string): SpearletError =>
  new SpearletError('UNSUPPORTED', `${what} needs wire v2, and this agent speaks v1`, {
    hint: 'Use an agent of `spearlet/agent`, or send the bytes as text, for example as base64.',
  });

const unannounced = (what: string, feature: string): SpearletError =>
  new SpearletError('INVALID_OPTIONS', `\`${what}\` of a request needs an agent that has announced '${feature}', and this one has not`, {
    hint: `Leave it out, or use the command agent. An agent on serve() of spearlet/agent announces what its option \`settings\` names.`,
    issues: [{ path: what, message: 'the agent would ignore it' }],
  });

function checkSettings(settings: RequestSettings, features: readonly string[]): void {
  for (const name of Object.keys(featureOf) as (keyof RequestSettings)[])
    if (settings[name] !== undefined && !features.includes(featureOf[name])) throw unannounced(name, featureOf[name]);
}

/** On wire v1 it goes as text. */
function checkTextInput(input: Uint8Array, features: readonly string[]): void {
  if (!features.includes('input')) throw unannounced('input', 'input');
  if (!isUtf8(input)) throw unsupported('`input` that is not UTF-8');
}

/**
 * The message of a request. Throws FRAME_TOO_LARGE if it is larger than the bound, UNSUPPORTED if the codec cannot say it, and
 * INVALID_OPTIONS if the agent has not announced that it understands it.
 */
export function encodeRequest(
  codec: HostCodec,
  features: readonly string[],
  { requestId, taskId, encoding }: { readonly requestId: number; readonly taskId: string; readonly encoding: 'utf8' | 'buffer' },
  { taskId: givenId, command, args, env, input: given, settings }: ParsedRequest,
  maxFrameBytes: number,
): Buffer | Pieces {
  // A source was read before.
  const input = given as Uint8Array | undefined;
  if (!codec.carriesBytes) {
    if (encoding === 'buffer') throw unsupported("`encoding: 'buffer'`");
    if (input !== undefined) checkTextInput(input, features);
  }
  if (settings !== undefined) checkSettings(settings, features);
  // On wire v2 the agent makes the default task id by itself.
  const sentId = codec.carriesBytes ? (givenId ?? '') : taskId;
  const frame = codec.executeRequest(requestId, { taskId: sentId, command, args, env, input, settings });
  checkSize('the request', frame.length, maxFrameBytes);
  return frame;
}

/** Throws FRAME_TOO_LARGE if a frame is larger than the bound. */
export function checkSize(what: string, size: number, maxFrameBytes: number, ids: ErrorFacts = {}): void {
  if (size <= maxFrameBytes) return;
  const message = `${what} needs ${size} bytes on the wire, the bound is maxFrameBytes (${maxFrameBytes})`;
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

// Reads the bodies of wire v2: their fields, in order.
import { defaultTaskId, type ExecuteRequest, type ExecuteResponse } from '../message.ts';
import { readSettings } from '../settings.ts';
import { readAgentSignal } from '../signal.ts';
import { strictTextOf } from '../text.ts';
import { fault, readU32, readU64 } from './numbers.ts';
import { FAILED, HAS_ERROR, HAS_EXIT_CODE, HAS_INPUT, HAS_OFFSET, HAS_OUTPUT, HAS_SETTINGS, STDERR } from './types.ts';

/** Reads the fields of a body. Throws PROTOCOL_ERROR where the body ends before a field does. */
export class Reader {
  #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw fault('a body ends in the middle of a field');
    this.#at = at + length;
    return at;
  }
  u32(): number {
    return readU32(this.#bytes, this.#take(4));
  }
  i32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }
  u64(): number {
    return readU64(this.#bytes, this.#take(8));
  }
  text(): string {
    const length = this.u32();
    const at = this.#take(length);
    return strictTextOf(this.#bytes, at, at + length);
  }
  /** A count of fields that take at least `size` bytes each: more than the body can hold is refused before any is read. */
  count(size: number): number {
    const count = this.u32();
    if (count * size > this.#end - this.#at) throw fault('a body ends before its last field');
    return count;
  }
  rest(): Buffer {
    return this.#bytes.subarray(this.#at, this.#end);
  }
  restText(): string {
    return strictTextOf(this.#bytes, this.#at, this.#end);
  }
  end(): void {
    if (this.#at !== this.#end) throw fault('a body with bytes behind its last field');
  }
}

const NO_VARIABLES: ReadonlyMap<string, string> = new Map();

function readVariables(reader: Reader): ReadonlyMap<string, string> {
  const count = reader.count(8);
  if (count === 0) return NO_VARIABLES;
  const env = new Map<string, string>();
  for (let left = count; left > 0; left -= 1) {
    const name = reader.text();
    env.set(name, reader.text());
  }
  if (env.size !== count) throw fault('a variable that is given twice');
  return env;
}

export function readRequest(flags: number, reader: Reader, instanceId: string, requestId: number): ExecuteRequest {
  const givenId = reader.text();
  const taskId = givenId === '' ? defaultTaskId(instanceId, requestId) : givenId;
  const command = reader.text();
  const args: string[] = [];
  for (let left = reader.count(4); left > 0; left -= 1) args.push(reader.text());
  const env = readVariables(reader);
  if ((flags & (HAS_INPUT | HAS_SETTINGS)) === 0) {
    reader.end();
    return { taskId, command, args, env };
  }
  const settings = (flags & HAS_SETTINGS) === 0 ? undefined : readSettings(reader.text());
  if (settings === null) throw fault('settings that are no JSON object');
  const input = (flags & HAS_INPUT) === 0 ? undefined : Buffer.from(reader.rest());
  if (input === undefined) reader.end();
  return { taskId, command, args, env, input, settings };
}

export function readResult(flags: number, reader: Reader): ExecuteResponse {
  const outputOffset = (flags & HAS_OFFSET) === 0 ? undefined : reader.u64();
  const exitCode = (flags & HAS_EXIT_CODE) === 0 ? null : reader.i32();
  const error = (flags & HAS_ERROR) === 0 ? null : reader.text();
  const output = (flags & HAS_OUTPUT) === 0 ? null : reader.rest();
  if (output === null) reader.end();
  return { taskId: null, status: (flags & FAILED) === 0 ? 'Completed' : 'Failed', output, error, exitCode, outputOffset };
}

export function readOutput(flags: number, reader: Reader): ExecuteResponse {
  const outputOffset = (flags & HAS_OFFSET) === 0 ? undefined : reader.u64();
  const channel = (flags & STDERR) === 0 ? 'stdout' : 'stderr';
  return { taskId: null, status: 'Running', output: reader.rest(), error: null, exitCode: null, channel, outputOffset };
}

const started: ExecuteResponse = { taskId: null, status: 'Started', output: null, error: null, exitCode: null };

export function readStarted(flags: number, reader: Reader): ExecuteResponse {
  const outputOffset = (flags & HAS_OFFSET) === 0 ? undefined : reader.u64();
  reader.end();
  return outputOffset === undefined ? started : { ...started, outputOffset };
}

/** Null: a signal that is not known. */
export function readReport(body: Buffer): ExecuteResponse | null {
  const read = readAgentSignal(body);
  if (read === undefined) throw fault('a Report that is no JSON object with a signal');
  if (read === null) return null;
  return { taskId: null, status: 'Running', output: null, error: null, exitCode: null, signal: read.signal };
}

// Wire format v2 behind the codec interface: fields in fixed binary form, texts as UTF-8, bytes as they are.
import { SpearletError } from '../../errors.ts';
import type { AgentCodec, AgentReceiver, Decoder, HostCodec, HostReceiver } from '../codec.ts';
import type { ExecuteRequest, ExecuteResponse, U64 } from '../message.ts';
import type { Pieces } from '../pieces.ts';
import { textOf } from '../text.ts';
import { createFrameReader, type Deliver, readU32, readU64 } from './frame.ts';
import { roomOf, Writer } from './writer.ts';

/** The type of a frame. */
export const REQUEST = 0x01;
export const CANCEL = 0x02;
export const SIGNAL = 0x03;
export const TERMINATE = 0x04;
export const WINDOW = 0x05;
export const STARTED = 0x11;
export const OUTPUT = 0x12;
export const RESULT = 0x13;
export const HEARTBEAT = 0x21;
export const ERROR = 0x22;
export const ACKNOWLEDGE = 0x23;
export const RESUME = 0x24;

/** The flags of a Request. */
export const HAS_INPUT = 2;
/** The flags of an Output. */
export const STDERR = 2;
/** The flags of a Result and of an Output: 4 applies to both. */
export const HAS_OFFSET = 4;
export const FAILED = 2;
export const HAS_EXIT_CODE = 8;
export const HAS_ERROR = 16;
export const HAS_OUTPUT = 32;

const NOTHING = Buffer.alloc(0);

const fault = (message: string): SpearletError => new SpearletError('PROTOCOL_ERROR', message);
/** Reads the fields of a body. Throws PROTOCOL_ERROR where the body ends before a field does. */
class Reader {
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
    return textOf(this.#bytes, at, at + length);
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
    return textOf(this.#bytes, this.#at, this.#end);
  }
  end(): void {
    if (this.#at !== this.#end) throw fault('a body with bytes behind its last field');
  }
}

function readRequest(flags: number, reader: Reader, defaultTaskId: () => string): ExecuteRequest {
  const taskId = reader.text();
  const command = reader.text();
  const args: string[] = [];
  for (let left = reader.count(4); left > 0; left -= 1) args.push(reader.text());
  const env = new Map<string, string>();
  for (let left = reader.count(8); left > 0; left -= 1) {
    const name = reader.text();
    env.set(name, reader.text());
  }
  const request = { taskId: taskId === '' ? defaultTaskId() : taskId, command, args, env };
  if ((flags & HAS_INPUT) !== 0) return { ...request, input: Buffer.from(reader.rest()) };
  reader.end();
  return request;
}

function readResult(flags: number, reader: Reader): ExecuteResponse {
  const outputOffset = (flags & HAS_OFFSET) === 0 ? undefined : reader.u64();
  const exitCode = (flags & HAS_EXIT_CODE) === 0 ? null : reader.i32();
  const error = (flags & HAS_ERROR) === 0 ? null : reader.text();
  const output = (flags & HAS_OUTPUT) === 0 ? null : reader.rest();
  if (output === null) reader.end();
  return { taskId: null, status: (flags & FAILED) === 0 ? 'Completed' : 'Failed', output, error, exitCode, outputOffset };
}

function readOutput(flags: number, reader: Reader): ExecuteResponse {
  const outputOffset = (flags & HAS_OFFSET) === 0 ? undefined : reader.u64();
  const channel = (flags & STDERR) === 0 ? 'stdout' : 'stderr';
  return { taskId: null, status: 'Running', output: reader.rest(), error: null, exitCode: null, channel, outputOffset };
}

const started: ExecuteResponse = { taskId: null, status: 'Started', output: null, error: null, exitCode: null };

function createDecoder<Receiver extends Pick<HostReceiver, 'heartbeat' | 'resume' | 'other'>>(
  limit: number,
  receiver: Receiver,
  acknowledged: (count: number) => void,
  deliver: (receiver: Receiver, reader: { forget(requestId: number): boolean }, ...frame: Parameters<Deliver>) => void,
): Decoder<Receiver> {
  const reader = createFrameReader(limit, (type, flags, requestId, bytes, from, to) => {
    if (type === HEARTBEAT) decoder.receiver.heartbeat(requestId, bytes.subarray(from, to));
    else if (type === ACKNOWLEDGE) acknowledged(new Reader(bytes, from, to).u64());
    else if (type === RESUME) decoder.receiver.resume(new Reader(bytes, from, to).u64());
    else if (type === ERROR) decoder.receiver.other('Error', bytes.subarray(from, to));
    else deliver(decoder.receiver, reader, type, flags, requestId, bytes, from, to);
  });
  const decoder: Decoder<Receiver> = Object.assign(reader, { receiver });
  return decoder;
}

const unknown = (type: number): SpearletError =>
  fault(`a frame of type 0x${type.toString(16).padStart(2, '0')}, which is not expected here`);

const both = {
  version: 2,
  resume: (count: number) => new Writer(RESUME, 0, 0, 8).u64(count).frame(),
  acknowledge: (count: number) => new Writer(ACKNOWLEDGE, 0, 0, 8).u64(count).frame(),
  carriesBytes: true,
  expansion: 1,
  heartbeat: (requestId: U64, payload: Buffer | '') =>
    new Writer(HEARTBEAT, 0, Number(requestId), payload.length).bytes(payload === '' ? NOTHING : payload).frame(),
  error(code: string, message: string) {
    const text = JSON.stringify({ code, message });
    return new Writer(ERROR, 0, 0, roomOf(text)).raw(text).frame();
  },
};

function encodeRequest(requestId: U64, { taskId, command, args, env, input }: ExecuteRequest): Buffer | Pieces {
  let room = roomOf(taskId) + roomOf(command) + 8 + (input?.length ?? 0);
  for (const each of args) room += roomOf(each);
  for (const [name, value] of env) room += roomOf(name) + roomOf(value);
  const writer = new Writer(REQUEST, input === undefined ? 0 : HAS_INPUT, Number(requestId), room);
  writer.text(taskId).text(command).u32(args.length);
  for (const each of args) writer.text(each);
  writer.u32(env.size);
  for (const [name, value] of env) writer.text(name).text(value);
  if (input !== undefined) writer.bytes(input);
  return writer.encoded();
}

function encodeResponse(requestId: U64, response: ExecuteResponse): Buffer | Pieces {
  const { status, output, error, exitCode, channel, outputOffset } = response;
  const id = Number(requestId);
  if (status === 'Started') return new Writer(STARTED, 0, id, 0).frame();
  const outputRoom = output === null ? 0 : typeof output === 'string' ? roomOf(output) : output.length;
  let flags = outputOffset === undefined ? 0 : HAS_OFFSET;
  if (status === 'Running') {
    if (channel === 'stderr') flags |= STDERR;
    const writer = new Writer(OUTPUT, flags, id, 8 + outputRoom);
    if (outputOffset !== undefined) writer.u64(outputOffset);
    return (typeof output === 'string' ? writer.raw(output) : writer.bytes(output ?? NOTHING)).frame();
  }
  if (status === 'Failed') flags |= FAILED;
  if (exitCode !== null) flags |= HAS_EXIT_CODE;
  if (error !== null) flags |= HAS_ERROR;
  if (output !== null) flags |= HAS_OUTPUT;
  const writer = new Writer(RESULT, flags, id, 12 + outputRoom + (error === null ? 0 : roomOf(error)));
  if (outputOffset !== undefined) writer.u64(outputOffset);
  if (exitCode !== null) writer.u32(exitCode);
  if (error !== null) writer.text(error);
  if (output !== null) typeof output === 'string' ? writer.raw(output) : writer.bytes(output);
  return writer.encoded();
}

/** `handshake`: the codec of wire v1, in whose frames every handshake is spoken. */
export const createV2Host = (handshake: HostCodec): HostCodec => ({
  ...both,
  authResponse: handshake.authResponse,
  executeRequest: encodeRequest,
  cancel: requestId => new Writer(CANCEL, 0, Number(requestId), 0).frame(),
  signal: (_, data) => new Writer(SIGNAL, 0, 0, roomOf(data)).raw(data).frame(),
  window: (requestId, bytes) => new Writer(WINDOW, 0, Number(requestId), 4).u32(bytes).frame(),
  terminate: grace => new Writer(TERMINATE, 0, 0, 4).u32(grace).frame(),
  createDecoder: (limit, receiver, acknowledged) =>
    createDecoder<HostReceiver>(limit, receiver, acknowledged, (to, _, type, flags, requestId, bytes, from, end) => {
      if (type === RESULT) to.executeResponse(requestId, readResult(flags, new Reader(bytes, from, end)));
      else if (type === OUTPUT) to.executeResponse(requestId, readOutput(flags, new Reader(bytes, from, end)));
      else if (type === STARTED) to.executeResponse(requestId, started);
      else throw unknown(type);
    }),
});

/** `instanceId`: an empty task id means `<instance id>/<request id>`. */
export const createV2Agent = (handshake: AgentCodec, instanceId: string): AgentCodec => ({
  ...both,
  authRequest: handshake.authRequest,
  executeResponse: encodeResponse,
  createDecoder: (limit, receiver, acknowledged) =>
    createDecoder<AgentReceiver>(limit, receiver, acknowledged, (to, reader, type, flags, requestId, bytes, from, end) => {
      if (type === REQUEST) {
        to.executeRequest(
          requestId,
          readRequest(flags, new Reader(bytes, from, end), () => `${instanceId}/${requestId}`),
        );
      } else if (type === CANCEL) {
        // A request that has not arrived whole was never executed: its pieces are dropped.
        if (!reader.forget(requestId)) to.cancel(requestId, null);
      } else if (type === SIGNAL) to.signal(textOf(bytes, from, end));
      else if (type === WINDOW) to.window(requestId, new Reader(bytes, from, end).u32());
      else if (type === TERMINATE) to.terminate();
      else throw unknown(type);
    }),
});

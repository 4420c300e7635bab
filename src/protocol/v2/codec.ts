// Wire format v2 behind the codec interface: fields in fixed binary form, texts as UTF-8, bytes as they are.
import type { AgentCodec, AgentReceiver, HostCodec, HostReceiver } from '../codec.ts';
import type { ExecuteRequest, ExecuteResponse, U64 } from '../message.ts';
import type { Pieces } from '../pieces.ts';
import { encodeSettings, readSettings } from '../settings.ts';
import { encodeAgentSignal, readAgentSignal } from '../signal.ts';
import { type Deliver, FrameReader, fault } from './decoder.ts';
import { Reader } from './body.ts';
import {
  ACKNOWLEDGE,
  CANCEL,
  CONTROL,
  ERROR,
  FAILED,
  fromAgent,
  fromHost,
  HAS_ERROR,
  HAS_EXIT_CODE,
  HAS_INPUT,
  HAS_OFFSET,
  HAS_OUTPUT,
  HAS_SETTINGS,
  HEARTBEAT,
  OUTPUT,
  REPORT,
  REQUEST,
  RESULT,
  RESUME,
  SIGNAL,
  STARTED,
  STDERR,
  TERMINATE,
  WINDOW,
} from './types.ts';
import { roomOf, Writer } from './writer.ts';

const NOTHING = Buffer.alloc(0);

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

function readRequest(flags: number, reader: Reader, instanceId: string, requestId: number): ExecuteRequest {
  const givenId = reader.text();
  const taskId = givenId === '' ? `${instanceId}/${requestId}` : givenId;
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

function readStarted(flags: number, reader: Reader): ExecuteResponse {
  const outputOffset = (flags & HAS_OFFSET) === 0 ? undefined : reader.u64();
  reader.end();
  return outputOffset === undefined ? started : { ...started, outputOffset };
}

/** For frames that belong to no request. */
function requireNoId(requestId: number): void {
  if (requestId !== 0) throw fault('a request id in a frame that belongs to no request');
}

/** What both sides read. */
function control(
  { receiver, acknowledged }: Pick<FrameReader<Pick<HostReceiver, 'heartbeat' | 'resume' | 'other'>>, 'receiver' | 'acknowledged'>,
  type: number,
  requestId: number,
  reader: Reader,
): void {
  if (type === HEARTBEAT) return receiver.heartbeat(requestId, reader.rest());
  requireNoId(requestId);
  if (type === ERROR) return receiver.other('Error', reader.rest());
  const count = reader.u64();
  reader.end();
  if (type === ACKNOWLEDGE) acknowledged(count);
  else receiver.resume(count);
}

const deliverToHost: Deliver<HostReceiver> = (frames, type, flags, requestId, bytes, from, to) => {
  const { receiver } = frames;
  if (type === OUTPUT) receiver.executeResponse(requestId, readOutput(flags, new Reader(bytes, from, to)));
  else if (type === RESULT) receiver.executeResponse(requestId, readResult(flags, new Reader(bytes, from, to)));
  else if (type === STARTED) receiver.executeResponse(requestId, readStarted(flags, new Reader(bytes, from, to)));
  else if (type === REPORT) {
    const read = readAgentSignal(bytes.subarray(from, to));
    if (read === undefined) throw fault('a Report that is no JSON object with a signal');
    // A newer agent may know more signals.
    if (read === null) return;
    receiver.executeResponse(requestId, {
      taskId: null,
      status: 'Running',
      output: null,
      error: null,
      exitCode: null,
      signal: read.signal,
    });
  } else control(frames, type, requestId, new Reader(bytes, from, to));
};

const deliverToAgent =
  (instanceId: string): Deliver<AgentReceiver> =>
  (frames, type, flags, requestId, bytes, from, to) => {
    const { receiver } = frames;
    const reader = new Reader(bytes, from, to);
    if (type === REQUEST) receiver.executeRequest(requestId, readRequest(flags, reader, instanceId, requestId));
    else if (type === CANCEL) {
      reader.end();
      // A request that has not arrived whole was never executed: its pieces are dropped.
      if (!frames.forget(requestId)) receiver.cancel(requestId, null);
    } else if (type === WINDOW) {
      const bytes = reader.u32();
      reader.end();
      receiver.window(requestId, bytes);
    } else if (type >= CONTROL) control(frames, type, requestId, reader);
    else {
      requireNoId(requestId);
      if (type === SIGNAL) return receiver.signal(reader.restText());
      reader.u32();
      reader.end();
      receiver.terminate();
    }
  };

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

function encodeRequest(requestId: U64, { taskId, command, args, env, input, settings }: ExecuteRequest): Buffer | Pieces {
  const more = settings === undefined ? null : encodeSettings(settings);
  let room = roomOf(taskId) + roomOf(command) + 8 + (input?.length ?? 0) + (more === null ? 0 : roomOf(more));
  for (const each of args) room += roomOf(each);
  for (const [name, value] of env) room += roomOf(name) + roomOf(value);
  const flags = (input === undefined ? 0 : HAS_INPUT) | (more === null ? 0 : HAS_SETTINGS);
  const writer = new Writer(REQUEST, flags, Number(requestId), room);
  writer.text(taskId).text(command).u32(args.length);
  for (const each of args) writer.text(each);
  writer.u32(env.size);
  for (const [name, value] of env) writer.text(name).text(value);
  if (more !== null) writer.text(more);
  if (input !== undefined) writer.bytes(input);
  return writer.encoded();
}

function encodeResponse(requestId: U64, response: ExecuteResponse): Buffer | Pieces {
  const { status, output, error, exitCode, channel, outputOffset, signal } = response;
  if (signal !== undefined) {
    const text = encodeAgentSignal(signal);
    return new Writer(REPORT, 0, Number(requestId), roomOf(text)).raw(text).frame();
  }
  const id = Number(requestId);
  let flags = outputOffset === undefined ? 0 : HAS_OFFSET;
  if (status === 'Started') {
    const writer = new Writer(STARTED, flags, id, 8);
    return (outputOffset === undefined ? writer : writer.u64(outputOffset)).frame();
  }
  const outputRoom = output === null ? 0 : typeof output === 'string' ? roomOf(output) : output.length;
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
  createDecoder: (limit, receiver, acknowledged) => new FrameReader(limit, receiver, acknowledged, fromAgent, deliverToHost),
});

/** `instanceId`: an empty task id means `<instance id>/<request id>`. */
export const createV2Agent = (handshake: AgentCodec, instanceId: string): AgentCodec => ({
  ...both,
  authRequest: handshake.authRequest,
  executeResponse: encodeResponse,
  createDecoder: (limit, receiver, acknowledged) => new FrameReader(limit, receiver, acknowledged, fromHost, deliverToAgent(instanceId)),
});

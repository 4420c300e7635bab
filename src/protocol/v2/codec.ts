// Messages to bytes of wire v2: fields in fixed binary form, texts as UTF-8, bytes as they are.
import type { AgentCodec, HostCodec } from '../codec.ts';
import type { ExecuteRequest, ExecuteResponse, U64 } from '../message.ts';
import type { Pieces } from '../pieces.ts';
import { encodeSettings } from '../settings.ts';
import { encodeAgentSignal } from '../signal.ts';
import { agentDecoder, hostDecoder } from './decoder.ts';
import {
  ACKNOWLEDGE,
  CANCEL,
  ERROR,
  FAILED,
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
  createDecoder: hostDecoder,
});

/** `instanceId`: an empty task id means `<instance id>/<request id>`. */
export const createV2Agent = (handshake: AgentCodec, instanceId: string): AgentCodec => ({
  ...both,
  authRequest: handshake.authRequest,
  executeResponse: encodeResponse,
  createDecoder: agentDecoder(instanceId),
});

// Wire format v1 behind the codec interface: one codec for each side, because each side reads other messages than it sends.
import { SpearletError } from '../../errors.ts';
import type { Clock } from '../../world/clock.ts';
import type { AgentCodec, AgentReceiver, Decoder, HostCodec, HostReceiver } from '../codec.ts';
import type { ExecuteResponse, SpearMessage, Timestamp, U64 } from '../message.ts';
import { encodeAgentSignal, readAgentSignal } from '../signal.ts';
import { createFrameReader } from './decoder.ts';
import {
  decodeAuthRequest,
  decodeAuthResponse,
  decodeExecuteRequest,
  decodeExecuteResponse,
  decodeMessage,
  decodeSignal,
  encodeAuthRequest,
  encodeAuthResponse,
  encodeExecuteRequest,
  encodeExecuteResponse,
  encodeFrame,
  encodeSignal,
  type TextResponse,
} from './messages.ts';
import { EXPANSION } from './payload.ts';

/** The wall clock as a frame states it. Frames of one time share the object, whose text is then made once. */
function timestamps(clock: Clock): () => Timestamp {
  let last = -1;
  let timestamp: Timestamp = { secs: 0, nanos: 0 };
  return () => {
    const wall = clock.wall();
    if (wall !== last) {
      last = wall;
      const secs = Math.floor(wall / 1000);
      timestamp = { secs, nanos: Math.floor((wall - secs * 1000) * 1e6) };
    }
    return timestamp;
  };
}

function createDecoder<Receiver>(
  limit: number,
  receiver: Receiver,
  deliver: (receiver: Receiver, message: SpearMessage) => void,
): Decoder<Receiver> {
  const reader = createFrameReader(limit, body => deliver(decoder.receiver, decodeMessage(body)));
  const decoder: Decoder<Receiver> = Object.assign(reader, { receiver, counted: 0 });
  return decoder;
}

function deliverToHost(receiver: HostReceiver, { type, requestId, payload }: SpearMessage): void {
  if (type === 'ExecuteResponse') receiver.executeResponse(requestId, decodeExecuteResponse(payload));
  else if (type === 'Heartbeat') receiver.heartbeat(requestId, payload);
  else if (type === 'AuthRequest') receiver.authRequest(requestId, decodeAuthRequest(payload));
  else if (type === 'Signal') deliverSignal(receiver, requestId, payload);
  else receiver.other(type, payload);
}

/** A signal about an execution is a Running without output. Any other Signal is not known here. */
function deliverSignal(receiver: HostReceiver, requestId: U64, payload: Buffer): void {
  const read = readAgentSignal(payload);
  if (read == null || read.taskId === null) return receiver.other('Signal', payload);
  const { taskId, signal } = read;
  receiver.executeResponse(requestId, { taskId, status: 'Running', output: null, error: null, exitCode: null, signal });
}

function deliverToAgent(receiver: AgentReceiver, { type, requestId, payload }: SpearMessage): void {
  if (type === 'ExecuteRequest') receiver.executeRequest(requestId, decodeExecuteRequest(payload));
  else if (type === 'Heartbeat') receiver.heartbeat(requestId, payload);
  else if (type === 'AuthResponse') receiver.authResponse(decodeAuthResponse(payload));
  else if (type === 'Signal') {
    const signal = decodeSignal(payload);
    if (signal?.signal === 'cancel') receiver.cancel(requestId, signal.task_id);
    else if (signal?.signal === 'user') receiver.signal(signal.data);
    else if (signal?.signal === 'terminate') receiver.terminate();
  } else receiver.other(type, payload);
}

const unknownToV1 = (): never => {
  throw new SpearletError('INTERNAL', 'wire v1 has no such message');
};

/**
 * Output on stderr goes as an error without output. An agent turns bytes into text before. One literal without a spread: it is
 * made for every response.
 */
function textResponse({ taskId, status, output, error, exitCode, channel, outputOffset }: ExecuteResponse): TextResponse {
  const text = output === null || typeof output === 'string' ? output : output.toString('utf8');
  const isError = channel === 'stderr';
  return { taskId: taskId ?? '', status, output: isError ? null : text, error: isError ? text : error, exitCode, outputOffset };
}

/** `clock` gives the time that every frame states. */
export function createV1(clock: Clock): { readonly host: HostCodec; readonly agent: AgentCodec } {
  const now = timestamps(clock);
  const frame = (type: SpearMessage['type'], requestId: SpearMessage['requestId'], payload: string | Uint8Array): Buffer =>
    encodeFrame(type, requestId, now(), payload);
  const both = {
    version: 1,
    carriesBytes: false,
    expansion: EXPANSION,
    heartbeat: (requestId: SpearMessage['requestId'], payload: Buffer | '') => frame('Heartbeat', requestId, payload),
    error: (code: string, message: string) => frame('Error', 1, JSON.stringify({ code, message })),
    resume: unknownToV1,
    acknowledge: unknownToV1,
  };
  return {
    host: {
      ...both,
      createDecoder: (limit, receiver) => createDecoder(limit, receiver, deliverToHost),
      authResponse: (requestId, response) => frame('AuthResponse', requestId, encodeAuthResponse(response)),
      executeRequest: (requestId, request) => frame('ExecuteRequest', requestId, encodeExecuteRequest(request)),
      cancel: (requestId, taskId) => frame('Signal', requestId, encodeSignal({ signal: 'cancel', task_id: taskId })),
      signal(requestId, data) {
        if (!data.isWellFormed()) throw new SpearletError('PROTOCOL_ERROR', 'a lone surrogate cannot be sent: it is not text');
        return frame('Signal', requestId, encodeSignal({ signal: 'user', data }));
      },
      window: unknownToV1,
      terminate: grace => frame('Signal', 1, encodeSignal({ signal: 'terminate', grace_ms: grace })),
    },
    agent: {
      ...both,
      createDecoder: (limit, receiver) => createDecoder(limit, receiver, deliverToAgent),
      authRequest: (requestId, request) => frame('AuthRequest', requestId, encodeAuthRequest(request)),
      executeResponse(requestId, response) {
        const { signal, taskId } = response;
        if (signal !== undefined) return frame('Signal', requestId, encodeAgentSignal(signal, taskId ?? ''));
        return frame('ExecuteResponse', requestId, encodeExecuteResponse(textResponse(response)));
      },
    },
  };
}

// Messages to bytes of wire v1: one codec for each side, because each side reads other messages than it sends.
import { SpearletError } from '../../errors.ts';
import type { Clock } from '../../world/clock.ts';
import type { AgentCodec, HostCodec } from '../codec.ts';
import type { ExecuteResponse, SpearMessage, Timestamp } from '../message.ts';
import { encodeAgentSignal } from '../signal.ts';
import { agentDecoder, hostDecoder } from './decoder.ts';
import {
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
      createDecoder: hostDecoder,
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
      createDecoder: agentDecoder,
      authRequest: (requestId, request) => frame('AuthRequest', requestId, encodeAuthRequest(request)),
      executeResponse(requestId, response) {
        const { signal, taskId } = response;
        if (signal !== undefined) return frame('Signal', requestId, encodeAgentSignal(signal, taskId ?? ''));
        return frame('ExecuteResponse', requestId, encodeExecuteResponse(textResponse(response)));
      },
    },
  };
}

// Bytes to messages of wire v1: cuts the stream into frames (an 8-byte little-endian length, then that many bytes), and hands each
// message to the receiver.
import { SpearletError } from '../../errors.ts';
import type { AgentReceiver, Decoder, HostReceiver } from '../codec.ts';
import type { SpearMessage, U64 } from '../message.ts';
import { readAgentSignal } from '../signal.ts';
import {
  decodeAuthRequest,
  decodeAuthResponse,
  decodeExecuteRequest,
  decodeExecuteResponse,
  decodeMessage,
  decodeSignal,
  HEADER_BYTES,
} from './messages.ts';

export type FrameReader = Omit<Decoder<never>, 'receiver' | 'counted'>;

/** Eight characters read as a length are beyond this. */
const TEXT = 2 ** 48;

/** `onFrame` gets each whole body, and may keep no reference to it after it returns. */
export function createFrameReader(limit: number, onFrame: (body: Buffer) => void): FrameReader {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerFilled = 0;
  let body: Buffer | null = null;
  let bodyFilled = 0;
  let paused = false;
  let kept: Buffer[] = [];
  let frames = 0;

  const announced = (bytes: Buffer, at: number): number => {
    const low = bytes.readUInt32LE(at);
    const high = bytes.readUInt32LE(at + 4);
    const length = high * 2 ** 32 + low;
    // Bounded before anything is allocated: the length is a full u64 and comes from an unauthenticated peer.
    if (length > reader.limit) {
      // A length that no frame has is a text: another protocol, or a token without its frame. It is not repeated.
      const stated = length < TEXT ? `${length} bytes` : 'more bytes than any frame has (is it another protocol?)';
      throw new SpearletError('FRAME_TOO_LARGE', `a frame announces ${stated}, the bound is ${reader.limit}`);
    }
    if (length === 0) throw new SpearletError('PROTOCOL_ERROR', 'a frame of length 0');
    return length;
  };

  const read = (chunk: Buffer): void => {
    let at = 0;
    while (at < chunk.length) {
      if (paused) {
        kept.push(chunk.subarray(at));
        return;
      }
      if (body !== null) {
        const taken = Math.min(body.length - bodyFilled, chunk.length - at);
        chunk.copy(body, bodyFilled, at, at + taken);
        bodyFilled += taken;
        at += taken;
        if (bodyFilled < body.length) return;
        const whole = body;
        body = null;
        frames += 1;
        onFrame(whole);
        continue;
      }
      let length: number;
      if (headerFilled === 0 && chunk.length - at >= HEADER_BYTES) {
        length = announced(chunk, at);
        at += HEADER_BYTES;
      } else {
        const taken = Math.min(HEADER_BYTES - headerFilled, chunk.length - at);
        chunk.copy(header, headerFilled, at, at + taken);
        headerFilled += taken;
        at += taken;
        if (headerFilled < HEADER_BYTES) return;
        headerFilled = 0;
        length = announced(header, 0);
      }
      if (chunk.length - at >= length) {
        at += length;
        frames += 1;
        onFrame(chunk.subarray(at - length, at));
      } else {
        body = Buffer.allocUnsafeSlow(length);
        bodyFilled = 0;
      }
    }
  };

  const reader: FrameReader = {
    limit,
    push(chunk) {
      if (paused) kept.push(chunk);
      else read(chunk);
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      for (const chunk of this.rest()) this.push(chunk);
    },
    rest() {
      const waiting = kept;
      kept = [];
      return waiting;
    },
    get frames() {
      return frames;
    },
    get unfinished() {
      return body === null ? headerFilled : HEADER_BYTES + bodyFilled;
    },
  };
  return reader;
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

/** Reads what an agent sends. */
export const hostDecoder = (limit: number, receiver: HostReceiver): Decoder<HostReceiver> => createDecoder(limit, receiver, deliverToHost);

/** Reads what a host sends. */
export const agentDecoder = (limit: number, receiver: AgentReceiver): Decoder<AgentReceiver> =>
  createDecoder(limit, receiver, deliverToAgent);

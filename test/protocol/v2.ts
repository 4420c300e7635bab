// Messages of wire v2 as docs/protocol.md and golden-v2.jsonl show them: read and written by the codecs of src.
import { SpearletError } from '../../src/errors.ts';
import type { AgentCodec, AgentReceiver, Decoder, HostCodec, HostReceiver } from '../../src/protocol/codec.ts';
import type { ExecuteResponse, U64 } from '../../src/protocol/message.ts';
import { Pieces } from '../../src/protocol/pieces.ts';
import { encodeAgentSignal } from '../../src/protocol/signal.ts';
import { createV1 } from '../../src/protocol/v1/codec.ts';
import { createV2Agent, createV2Host } from '../../src/protocol/v2/codec.ts';
import { handClock } from '../world/clock.ts';

const INSTANCE = 'i-1';
const v1 = createV1(handClock());
export const host: HostCodec = createV2Host(v1.host);
export const agent: AgentCodec = createV2Agent(v1.agent, INSTANCE);

export type To = 'agent' | 'host';

/** Bytes are hex digits; what a message does not have is null. */
export interface Message {
  readonly type:
    | 'Request'
    | 'Cancel'
    | 'Signal'
    | 'Terminate'
    | 'Window'
    | 'Acknowledge'
    | 'Resume'
    | 'Started'
    | 'Output'
    | 'Result'
    | 'Report'
    | 'Heartbeat'
    | 'Error';
  readonly request_id?: number;
  readonly task_id?: string;
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: readonly (readonly [string, string])[];
  readonly input_hex?: string | null;
  readonly text?: string;
  readonly grace_ms?: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly output_offset?: number | null;
  readonly channel?: 'stdout' | 'stderr';
  readonly output_hex?: string | null;
  readonly status?: 'Completed' | 'Failed';
  readonly exit_code?: number | null;
  readonly error?: string | null;
  readonly payload_hex?: string;
}

const hex = (bytes: Uint8Array | string | null | undefined): string | null => (bytes == null ? null : Buffer.from(bytes).toString('hex'));
const bytes = (digits: string | null | undefined): Buffer | null => (digits == null ? null : Buffer.from(digits, 'hex'));

function responseOf(request_id: U64, { status, output, error, exitCode, channel, outputOffset, signal }: ExecuteResponse): object {
  if (signal !== undefined) return { type: 'Report', request_id, text: encodeAgentSignal(signal) };
  const known = { request_id, output_offset: outputOffset ?? null };
  if (status === 'Started') return { type: 'Started', ...known };
  if (status === 'Running') return { type: 'Output', ...known, channel, output_hex: hex(output) };
  return { type: 'Result', ...known, status, exit_code: exitCode, error, output_hex: hex(output) };
}

/** A decoder that hands out each message in this form. The receiver does not see the grace time of a Terminate. */
export function decoder(to: To, limit: number, heard: (message: Message) => void): Decoder<HostReceiver> | Decoder<AgentReceiver> {
  const hear = (message: object): void => heard(message as Message);
  const both = {
    heartbeat: (request_id: U64, payload: Buffer) => hear({ type: 'Heartbeat', request_id, payload_hex: hex(payload) }),
    other: (type: string, payload: Buffer) => hear({ type, text: payload.toString() }),
    resume: (count: number) => hear({ type: 'Resume', count }),
  };
  const acknowledged = (count: number): void => hear({ type: 'Acknowledge', count });
  if (to === 'host')
    return host.createDecoder(
      limit,
      {
        ...both,
        authRequest: () => hear({ type: 'AuthRequest' }),
        executeResponse: (id, response) => hear(responseOf(id, response)),
      },
      acknowledged,
    );
  return agent.createDecoder(
    limit,
    {
      ...both,
      authResponse: () => hear({ type: 'AuthResponse' }),
      executeRequest: (request_id, { taskId: task_id, command, args, env, input }) =>
        hear({ type: 'Request', request_id, task_id, command, args, env: [...env], input_hex: hex(input) }),
      cancel: request_id => hear({ type: 'Cancel', request_id }),
      signal: text => hear({ type: 'Signal', text }),
      terminate: () => hear({ type: 'Terminate' }),
      window: (request_id, bytes) => hear({ type: 'Window', request_id, bytes }),
    },
    acknowledged,
  );
}

/** How a receiver sees a message. */
export function seen({ grace_ms, ...message }: Message): Message {
  return message.task_id === '' ? { ...message, task_id: `${INSTANCE}/${message.request_id}` } : message;
}

export function encode(to: To, message: Message): Buffer | Pieces {
  const { type, request_id = 0, text = '', error = null, channel } = message;
  if (type === 'Heartbeat') return (to === 'agent' ? host : agent).heartbeat(request_id, bytes(message.payload_hex)!);
  if (type === 'Acknowledge') return (to === 'agent' ? host : agent).acknowledge(message.count!);
  if (type === 'Resume') return (to === 'agent' ? host : agent).resume(message.count!);
  if (type === 'Window') return host.window(request_id, message.bytes!);
  if (type === 'Cancel') return host.cancel(request_id, '');
  if (type === 'Signal') return host.signal(0, text);
  if (type === 'Terminate') return host.terminate(message.grace_ms!);
  if (type === 'Error') {
    const { code, message: why } = JSON.parse(text) as { code: string; message: string };
    return (to === 'agent' ? host : agent).error(code, why);
  }
  if (type === 'Request') {
    const { task_id: taskId = '', command = '', args = [], env = [] } = message;
    return host.executeRequest(request_id, { taskId, command, args, env: new Map(env), input: bytes(message.input_hex) ?? undefined });
  }
  const signal = type === 'Report' ? { ...JSON.parse(text), bytes: Buffer.byteLength(text) } : undefined;
  const status = type === 'Started' ? 'Started' : type === 'Output' || type === 'Report' ? 'Running' : message.status!;
  const [exitCode, outputOffset] = [message.exit_code ?? null, message.output_offset ?? undefined];
  return agent.executeResponse(request_id, {
    ...{ taskId: null, status, output: bytes(message.output_hex), error, exitCode, channel, outputOffset, signal },
  });
}

/** The bytes of a message; a large body in pieces of these lengths, then of `rest`. */
export function written(message: Buffer | Pieces, lengths: readonly number[] = [], rest = 128 * 1024): Buffer {
  if (!(message instanceof Pieces)) return message;
  const parts: Buffer[] = [];
  for (let n = 0; message.left > 0; n += 1) parts.push(...message.take(lengths[n] ?? rest));
  return Buffer.concat(parts);
}

/** A frame as a Pieces, however small its body is. */
export function inPieces(frame: Buffer): Pieces {
  const head = frame.subarray(0, 16);
  return new Pieces(frame.subarray(16), (length, isLast) => {
    const header = Buffer.from(head);
    header.writeUInt32LE(length);
    header[5]! |= isLast ? 0 : 1;
    return header;
  });
}

export interface Outcome {
  readonly messages: Message[];
  readonly code: string | null;
  readonly unfinished: number | null;
}

/** What comes of these chunks. Throws what is no SpearletError of the two allowed codes. */
export function decode(to: To, chunks: readonly Buffer[], limit = 4 * 2 ** 20): Outcome {
  const messages: Message[] = [];
  const reader = decoder(to, limit, message => messages.push(message));
  try {
    for (const chunk of chunks) reader.push(chunk);
    return { messages, code: null, unfinished: reader.unfinished };
  } catch (thrown) {
    if (!(thrown instanceof SpearletError) || !['PROTOCOL_ERROR', 'FRAME_TOO_LARGE'].includes(thrown.code)) throw thrown;
    const heard = messages.length;
    for (const chunk of chunks) reader.push(chunk);
    reader.resume();
    if (messages.length > heard) throw new Error('a message after a fault');
    return { messages, code: thrown.code, unfinished: null };
  }
}

/** Cuts a stream at these places, which are taken modulo its length. */
export function cut(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map(each => each % (stream.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, n) => stream.subarray(from, places[n] ?? stream.length));
}

// The messages of wire format v1: the JSON of the original Rust implementation, byte for byte as serde writes it, as strict as serde
// reads it. It knows no connection.
import { SpearletError } from '../../errors.ts';
import {
  type AuthRequest,
  type AuthResponse,
  type ExecuteRequest,
  type ExecuteResponse,
  type MessageType,
  messageTypes,
  type Signal,
  type SpearMessage,
  type Status,
  statuses,
  type Timestamp,
  type U64,
} from '../message.ts';
import { challengeFields, type Extras, offerFields, readChallenge, readOffer, writeChallenge, writeOffer } from './extra-fields.ts';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  optional,
  readBoolean,
  readInteger,
  readName,
  readString,
  readStringMap,
  readStrings,
  readWhole,
} from './json.ts';
import { EXPANSION, readByteArray, writeNumbers } from './payload.ts';
import { readRequestExtras, requestExtraFields, writeRequestExtras } from './request-extras.ts';
import { field, readStruct, type Struct } from './struct.ts';
import { stringText, timeText } from './write.ts';

/** The length of a frame's header in bytes: the length of the body. */
export const HEADER_BYTES = 8;
const U64_MAX = 2n ** 64n - 1n;
const I64_MAX = 2n ** 63n - 1n;

const TIMESTAMP: Struct = {
  name: 'SystemTime',
  denyUnknown: true,
  fields: [field('secs_since_epoch', readInteger(0n, I64_MAX)), field('nanos_since_epoch', readInteger(0n, 2n ** 32n - 1n))],
};

const readTimestamp = (cursor: Parameters<typeof readStruct>[0]): Timestamp => {
  const [secs, nanos] = readStruct(cursor, TIMESTAMP) as [U64, number];
  if (nanos < 1e9) return { secs, nanos };
  // serde builds a Duration first: whole seconds in the nanoseconds carry over.
  const carried = BigInt(secs) + BigInt(Math.floor(nanos / 1e9));
  if (carried > I64_MAX) throw new SpearletError('PROTOCOL_ERROR', 'timestamp overflows');
  return { secs: carried <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(carried) : carried, nanos: nanos % 1e9 };
};

const MESSAGE: Struct = {
  name: 'SpearMessage',
  denyUnknown: false,
  fields: [
    field('message_type', readName(messageTypes)),
    field('request_id', readInteger(0n, U64_MAX)),
    field('timestamp', readTimestamp),
    field('payload', readByteArray),
  ],
};

const AUTH_REQUEST: Struct = {
  name: 'AuthRequest',
  denyUnknown: false,
  fields: [field('instance_id', readString), field('token', readString), field('client_version', readString)],
  extras: offerFields,
};

const AUTH_RESPONSE: Struct = {
  name: 'AuthResponse',
  denyUnknown: false,
  fields: [
    field('success', readBoolean),
    field('error_message', optional(readString), true),
    field('session_id', optional(readString), true),
  ],
  extras: challengeFields,
};

const EXECUTE_REQUEST: Struct = {
  name: 'ExecuteRequest',
  denyUnknown: false,
  fields: [field('task_id', readString), field('command', readString), field('args', readStrings), field('env', readStringMap)],
  extras: requestExtraFields,
};

const EXECUTE_RESPONSE: Struct = {
  name: 'ExecuteResponse',
  denyUnknown: false,
  fields: [
    field('task_id', readString),
    field('status', readName(statuses)),
    field('output', optional(readString), true),
    field('error', optional(readString), true),
    field('exit_code', optional(readInteger(-(2n ** 31n), 2n ** 31n - 1n)), true),
  ],
  extras: ['output_offset'],
};

/** Reads the body of a frame, consuming it: `payload` lies where its text was. Throws PROTOCOL_ERROR. */
export function decodeMessage(body: Buffer): SpearMessage {
  const [type, requestId, timestamp, payload] = readWhole(body, cursor => readStruct(cursor, MESSAGE)) as [
    MessageType,
    U64,
    Timestamp,
    Buffer,
  ];
  return { type, requestId, timestamp, payload };
}

const decodeStruct = (payload: Buffer, struct: Struct): unknown[] => readWhole(payload, cursor => readStruct(cursor, struct));

export function decodeAuthRequest(payload: Buffer): AuthRequest {
  const [instanceId, token, clientVersion, ...extras] = decodeStruct(payload, AUTH_REQUEST) as [string, string, string, ...Extras];
  return { instanceId, token, clientVersion, ...readOffer(extras) };
}

export function decodeAuthResponse(payload: Buffer): AuthResponse {
  const [success, errorMessage, sessionId, ...extras] = decodeStruct(payload, AUTH_RESPONSE) as [
    boolean,
    string | null,
    string | null,
    ...Extras,
  ];
  return { success, errorMessage, sessionId, ...readChallenge(extras) };
}

export function decodeExecuteRequest(payload: Buffer): ExecuteRequest {
  const values = decodeStruct(payload, EXECUTE_REQUEST);
  const [taskId, command, args, env] = values as [string, string, string[], Map<string, string>];
  const { input, settings } = readRequestExtras(values.slice(EXECUTE_REQUEST.fields.length) as Extras);
  return { taskId, command, args, env, input, settings };
}

/** An ExecuteResponse as wire v1 carries it: texts only, and always with the task id. */
export interface TextResponse extends ExecuteResponse {
  readonly taskId: string;
  readonly output: string | null;
}

export function decodeExecuteResponse(payload: Buffer): TextResponse {
  const [taskId, status, output, error, exitCode, offset] = decodeStruct(payload, EXECUTE_RESPONSE) as [
    string,
    Status,
    string | null,
    string | null,
    number | null,
    string | null | undefined,
  ];
  const response = { taskId, status, output, error, exitCode };
  // Anything but such a number is ignored, as an unknown field is.
  return offset != null && /^\d{1,15}$/.test(offset) ? { ...response, outputOffset: Number(offset) } : response;
}

/** Decodes a Signal. Bytes without a JSON `signal` count as `terminate` if they contain that word. Null for all else. */
export function decodeSignal(payload: Buffer): Signal | null {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    if (typeof value === 'object' && value !== null && 'signal' in value) {
      const known = value as Record<string, unknown>;
      if (known.signal === 'cancel' && typeof known.task_id === 'string') return { signal: 'cancel', task_id: known.task_id };
      if (known.signal === 'user' && typeof known.data === 'string') return { signal: 'user', data: known.data };
      if (known.signal === 'terminate') {
        const grace = known.grace_ms;
        return { signal: 'terminate', grace_ms: typeof grace === 'number' && grace >= 0 ? grace : 0 };
      }
      return null;
    }
  } catch {
    // Any bytes are allowed here. The word `terminate` counts also where they are no JSON.
  }
  return payload.includes('terminate') ? { signal: 'terminate', grace_ms: 0 } : null;
}

const textOrNull = (value: string | null): string => (value === null ? 'null' : stringText(value));

export const encodeAuthRequest = ({ instanceId, token, clientVersion, ...more }: AuthRequest): string =>
  `{"instance_id":${stringText(instanceId)},"token":${stringText(token)},"client_version":${stringText(clientVersion)}${writeOffer(more)}}`;

export const encodeAuthResponse = ({ success, errorMessage, sessionId, ...more }: AuthResponse): string =>
  `{"success":${success},"error_message":${textOrNull(errorMessage)},"session_id":${textOrNull(sessionId)}${writeChallenge(more)}}`;

/** No rest, spread or closure: it is made for every request. */
export function encodeExecuteRequest(request: ExecuteRequest): string {
  const { taskId, command, args, env } = request;
  let texts = '';
  for (const each of args) texts += texts === '' ? stringText(each) : `,${stringText(each)}`;
  let pairs = '';
  if (env.size > 0) for (const [key, value] of env) pairs += `${pairs === '' ? '' : ','}${stringText(key)}:${stringText(value)}`;
  return `{"task_id":${stringText(taskId)},"command":${stringText(command)},"args":[${texts}],"env":{${pairs}}${writeRequestExtras(request)}}`;
}

/** `outputOffset` is an addition, and goes last: serde ignores it. Without it the bytes are those of the original Rust implementation. */
export function encodeExecuteResponse(response: TextResponse): string {
  const { taskId, status, output, error, exitCode, outputOffset } = response;
  const known = `"task_id":${stringText(taskId)},"status":"${status}","output":${textOrNull(output)},"error":${textOrNull(error)},"exit_code":${exitCode}`;
  return outputOffset === undefined ? `{${known}}` : `{${known},"output_offset":${outputOffset}}`;
}

export const encodeSignal = (signal: Signal): string => JSON.stringify(signal);

const SLAB_BYTES = 64 * 1024;
/** Small frames lie side by side in one slab, so that a frame costs no allocation of its own. */
let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabView = new DataView(slab.buffer);
let free = 0;

/** A whole frame, header included. `payload` is a text or any bytes. */
export function encodeFrame(type: MessageType, requestId: U64, timestamp: Timestamp, payload: string | Uint8Array): Buffer {
  const head = `{"message_type":"${type}","request_id":${requestId},"timestamp":${timeText(timestamp)},"payload":[`;
  const count = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  const room = EXPANSION * count;
  const needed = HEADER_BYTES + head.length + room + 2;
  let bytes = slab;
  let view = slabView;
  let from = free;
  if (needed > SLAB_BYTES / 2) {
    bytes = Buffer.allocUnsafeSlow(needed);
    view = new DataView(bytes.buffer);
    from = 0;
  } else if (free + needed > SLAB_BYTES) {
    bytes = slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    view = slabView = new DataView(slab.buffer);
    from = free = 0;
  }
  const start = from + HEADER_BYTES + bytes.write(head, from + HEADER_BYTES, 'latin1');
  // The payload lies at the end of the room for its numbers, which are then written before it.
  if (typeof payload === 'string') bytes.write(payload, start + room - count, 'utf8');
  else bytes.set(payload, start + room - count);
  const numbersEnd = writeNumbers(view, start, room, count);
  // The last number has no comma.
  const end = (count > 0 ? numbersEnd - 1 : numbersEnd) + 2;
  bytes[end - 2] = CLOSE_ARRAY;
  bytes[end - 1] = CLOSE_OBJECT;
  const length = end - from - HEADER_BYTES;
  view.setUint32(from, length, true);
  view.setUint32(from + 4, Math.floor(length / 2 ** 32), true);
  if (bytes === slab) free = end;
  return bytes.subarray(from, end);
}

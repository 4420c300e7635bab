// Random and changed frames of wire v2, fed to both decoders whole, in random chunks and byte by byte: the same messages, the
// same error, nothing thrown but a SpearletError with one of two codes, no message after it, and no memory that grows.
import { createHash } from 'node:crypto';
import { createV2Agent, createV2Host } from '../../dist/src/protocol/v2/codec.js';
import { randomOf } from './measure.js';

const WHOLE = { frames: 10_000_000 };
const LIMIT = 4_096;
/** Frames of one stream. The bytes of a stream are decoded three times. */
const STREAM = 40;
const TO_HOST = [0x11, 0x12, 0x12, 0x13, 0x13, 0x21, 0x22, 0x23, 0x24];
const TO_AGENT = [0x01, 0x01, 0x01, 0x02, 0x03, 0x04, 0x05, 0x21, 0x22, 0x23, 0x24];
/** Frames that belong to no request. */
const NO_ID = [0x03, 0x04, 0x22, 0x23, 0x24];
const CODES = ['PROTOCOL_ERROR', 'FRAME_TOO_LARGE'];

const v1 = { authRequest() {}, authResponse() {} };
const sides = [
  { codec: createV2Host(v1), types: TO_HOST },
  { codec: createV2Agent(v1, 'i'), types: TO_AGENT },
];

/** A receiver that folds all that it hears into one number. */
function createListener() {
  const listener = { messages: 0, sum: 0 };
  const hear = (...values) => {
    listener.messages += 1;
    for (const value of values) {
      if (typeof value === 'number') listener.sum = (Math.imul(listener.sum, 31) + value) | 0;
      else if (value instanceof Uint8Array) for (const byte of value) listener.sum = (Math.imul(listener.sum, 31) + byte) | 0;
      else if (typeof value === 'string')
        for (let i = 0; i < value.length; i += 1) listener.sum = (Math.imul(listener.sum, 31) + value.charCodeAt(i)) | 0;
      else listener.sum = (Math.imul(listener.sum, 31) + (value == null ? 1 : 2)) | 0;
    }
  };
  return Object.assign(listener, {
    heartbeat: (id, payload) => hear(1, id, payload),
    other: (type, payload) => hear(2, type, payload),
    executeResponse: (id, { status, output, error, exitCode, channel, outputOffset }) =>
      hear(3, id, status, output, error, exitCode, channel, outputOffset),
    executeRequest: (id, { taskId, command, args, env, input }) => hear(4, id, taskId, command, ...args, ...[...env].flat(), input),
    cancel: id => hear(5, id),
    signal: data => hear(6, data),
    terminate: () => hear(7),
    window: (id, bytes) => hear(8, id, bytes),
    resume: count => hear(9, count),
    acknowledged: count => hear(10, count),
  });
}

/** What comes of a stream that is cut by `next`, which gives the length of the next chunk. */
function decode(codec, bytes, next, faults) {
  const listener = createListener();
  const decoder = codec.createDecoder(LIMIT, listener, listener.acknowledged);
  let code = 'none';
  let at = 0;
  try {
    while (at < bytes.length) {
      const end = Math.min(bytes.length, at + next());
      decoder.push(bytes.subarray(at, end));
      at = end;
    }
    if (decoder.unfinished > 5 * (LIMIT + 16)) faults.push(`${decoder.unfinished} bytes are kept`);
  } catch (thrown) {
    code = CODES.includes(thrown?.code) ? thrown.code : `threw ${thrown?.stack ?? thrown}`;
    if (!CODES.includes(code)) faults.push(code);
    const heard = listener.messages;
    decoder.push(bytes);
    decoder.resume();
    if (listener.messages > heard) faults.push('a message after a fault');
  }
  return { code, messages: listener.messages, sum: listener.sum };
}

/** Fills `bytes` with frames that are mostly in order, some of them in two pieces; returns where they end, and how many they are. */
function writeStream(bytes, types, random) {
  const below = n => Math.floor(random() * n);
  const rarely = () => below(1_000) === 0;
  let at = 0;
  let frames = 0;
  /** The last pieces of bodies that are unfinished. */
  const later = [];
  const u32 = value => {
    at = bytes.writeUInt32LE(value, at);
  };
  const text = () => {
    const length = below(4) === 0 ? below(30) : below(4);
    u32(rarely() ? below(2 ** 32) : length);
    for (let i = 0; i < length; i += 1) bytes[at++] = rarely() ? below(256) : 97 + below(26);
  };
  const fill = length => {
    for (let i = 0; i < length; i += 1) bytes[at++] = below(256);
  };
  const header = (start, length, type, flags, id) => {
    bytes.writeUInt32LE(rarely() ? below(2 ** 32) : length, start);
    bytes[start + 4] = type;
    bytes[start + 5] = rarely() ? below(256) : flags;
    bytes.writeUInt16LE(rarely() ? below(2 ** 16) : 0, start + 6);
    bytes.writeUInt32LE(id, start + 8);
    bytes.writeUInt32LE(rarely() ? below(2 ** 32) : 0, start + 12);
    frames += 1;
  };
  const writeLater = () => {
    const { type, flags, id, body } = later.shift();
    header(at, body.length, type, flags, id);
    at += 16 + body.copy(bytes, at + 16);
  };
  while (frames < STREAM) {
    const start = at;
    const type = rarely() ? below(256) : types[below(types.length)];
    const id = NO_ID.includes(type) ? 0 : below(8) + 8 * frames * below(2);
    let flags = 0;
    at += 16;
    if (type === 0x01) {
      flags = below(2) * 2;
      text();
      text();
      for (const fields of [1, 2]) {
        const count = below(3);
        u32(count);
        for (let i = 0; i < count * fields; i += 1) text();
      }
      if (flags !== 0) fill(below(30));
    } else if (type === 0x13) {
      flags = below(32) * 2;
      if ((flags & 4) !== 0) at = bytes.writeBigUInt64LE(BigInt(below(2 ** 32)), at);
      if ((flags & 8) !== 0) fill(4);
      if ((flags & 16) !== 0) text();
      if ((flags & 32) !== 0) fill(below(60));
    } else if (type === 0x04 || type === 0x05) fill(4);
    else if (type === 0x23 || type === 0x24) at = bytes.writeBigUInt64LE(BigInt(below(2 ** 32)), at);
    else if (type === 0x11 || type === 0x12) {
      flags = below(2) * 4 + (type === 0x12 ? below(2) * 2 : 0);
      if (flags >= 4) at = bytes.writeBigUInt64LE(BigInt(below(2 ** 32)), at);
      if (type === 0x12) fill(below(60));
    } else if (type !== 0x02) for (let i = below(60); i > 0; i -= 1) bytes[at++] = 97;
    const length = at - start - 16;
    if ((type === 0x01 || type === 0x13) && length > 1 && later.length < 4 && below(4) === 0 && !later.some(each => each.id === id)) {
      const first = 1 + below(length - 1);
      header(start, first, type, flags | 1, id);
      later.push({ type, flags, id, body: Buffer.from(bytes.subarray(start + 16 + first, at)) });
      at = start + 16 + first;
    } else if (later.some(each => each.id === id && each.type === type)) at = start;
    else header(start, length, type, flags, id);
    if (later.length > 0 && below(3) === 0) writeLater();
  }
  while (later.length > 0) writeLater();
  // A changed bit anywhere in one stream of four.
  if (below(4) === 0) bytes[below(at)] ^= 1 << below(8);
  return { end: at, frames };
}

export async function frames(seed, say, sizes) {
  const { frames: total } = { ...WHOLE, ...sizes };
  const random = randomOf(seed);
  const bytes = Buffer.alloc(64 * 1_024);
  const faults = [];
  const codes = {};
  let done = 0;
  let messages = 0;
  let streams = 0;
  let said = 0;
  let before = null;
  const digest = createHash('sha256');
  const held = () => {
    globalThis.gc?.();
    globalThis.gc?.();
    return process.memoryUsage().arrayBuffers;
  };
  while (done < total && faults.length < 10) {
    const { codec, types } = sides[streams % 2];
    const { end, frames: written } = writeStream(bytes, types, random);
    const stream = bytes.subarray(0, end);
    const whole = decode(codec, stream, () => end, faults);
    const chunks = decode(codec, stream, () => 1 + Math.floor(random() * 50), faults);
    const single = decode(codec, stream, () => 1, faults);
    for (const other of [chunks, single])
      if (other.code !== whole.code || other.messages !== whole.messages || other.sum !== whole.sum)
        faults.push(`${JSON.stringify(other)} is not ${JSON.stringify(whole)}: ${stream.toString('hex')}`);
    codes[whole.code] = (codes[whole.code] ?? 0) + 1;
    messages += whole.messages;
    digest.update(`${whole.code}${whole.sum}`);
    done += written;
    streams += 1;
    if (streams === 100) before = held();
    if (done - said < 1_000_000) continue;
    said = done;
    say(`${done} frames, ${messages} messages`);
  }
  const grown = before === null ? 0 : held() - before;
  return {
    passed: faults.length === 0 && grown < 2 ** 20,
    faults,
    frames: done,
    messages,
    codes,
    grown,
    digest: digest.digest('hex').slice(0, 16),
  };
}

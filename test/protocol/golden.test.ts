// The 64 frames that real Rust serde printed: read as it read them, written as it wrote them.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { MessageType } from '../../src/protocol/message.ts';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { HEADER_BYTES } from '../../src/protocol/v1/messages.ts';

interface Golden {
  name: string;
  byte_exact: boolean;
  frame_hex: string;
  decoded: {
    message_type: MessageType;
    request_id: string;
    secs_since_epoch: string;
    nanos_since_epoch: number;
    payload_hex: string;
    payload_type: 'AuthRequest' | 'AuthResponse' | 'ExecuteRequest' | 'ExecuteResponse' | null;
    payload: Record<string, unknown> | null;
  };
}

const golden = readFileSync(new URL('golden-frames.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Golden);
const u64 = (decimal: string) => (BigInt(decimal) <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(decimal) : BigInt(decimal));
const snake = (struct: object) =>
  Object.fromEntries(
    Object.entries(struct).map(([key, value]) => [
      key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      value instanceof Map ? Object.fromEntries(value) : value,
    ]),
  );

const decoders = {
  AuthRequest: v1.decodeAuthRequest,
  AuthResponse: v1.decodeAuthResponse,
  ExecuteRequest: v1.decodeExecuteRequest,
  ExecuteResponse: v1.decodeExecuteResponse,
};

function encodePayload({ payload_type, payload, payload_hex }: Golden['decoded']): string | Buffer {
  const p = payload as never as Record<string, never>;
  if (payload_type === 'AuthRequest')
    return v1.encodeAuthRequest({ instanceId: p.instance_id!, token: p.token!, clientVersion: p.client_version! });
  if (payload_type === 'AuthResponse')
    return v1.encodeAuthResponse({ success: p.success!, errorMessage: p.error_message!, sessionId: p.session_id! });
  if (payload_type === 'ExecuteRequest')
    return v1.encodeExecuteRequest({ taskId: p.task_id!, command: p.command!, args: p.args!, env: new Map(Object.entries(p.env!)) });
  if (payload_type === 'ExecuteResponse')
    return v1.encodeExecuteResponse({ taskId: p.task_id!, status: p.status!, output: p.output!, error: p.error!, exitCode: p.exit_code! });
  return Buffer.from(payload_hex, 'hex');
}

test('there are 64 golden frames, 62 of them exact to the byte', () => {
  expect(golden.length).toBe(64);
  expect(golden.filter(each => each.byte_exact).length).toBe(62);
});

describe.each(golden)('$name', ({ frame_hex, byte_exact, decoded }) => {
  test('is read as Rust read it', () => {
    const bodies: Buffer[] = [];
    createFrameReader(32 * 2 ** 20, body => bodies.push(body)).push(Buffer.from(frame_hex, 'hex'));
    expect(bodies.length).toBe(1);
    const message = v1.decodeMessage(bodies[0]!);
    expect(message.type).toBe(decoded.message_type);
    expect(message.requestId).toBe(u64(decoded.request_id));
    expect(message.timestamp).toEqual({ secs: u64(decoded.secs_since_epoch), nanos: decoded.nanos_since_epoch });
    expect(message.payload.toString('hex')).toBe(decoded.payload_hex);
    if (decoded.payload_type !== null) expect(snake(decoders[decoded.payload_type](message.payload))).toEqual(decoded.payload);
  });

  test('is written as Rust wrote it', () => {
    const timestamp = { secs: u64(decoded.secs_since_epoch), nanos: decoded.nanos_since_epoch };
    const frame = v1.encodeFrame(decoded.message_type, u64(decoded.request_id), timestamp, encodePayload(decoded));
    if (byte_exact) expect(frame.toString('hex')).toBe(frame_hex);
    else {
      // Only the order of env is open: the same length, and the same message when read back.
      expect(frame.length).toBe(frame_hex.length / 2);
      expect(snake(v1.decodeExecuteRequest(v1.decodeMessage(frame.subarray(HEADER_BYTES)).payload))).toEqual(decoded.payload);
    }
  });
});

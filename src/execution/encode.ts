// Encodes requests, and checks that their frames fit, before anything is queued.
import { type ErrorFacts, SpearletError } from '../errors.ts';
import type { ParsedRequest } from '../options.ts';
import { encodeExecuteRequest } from '../protocol/v1/messages.ts';

/** The most characters that a frame of wire v1 spends on a byte of payload, and on everything around the payload. */
export const WIRE_FACTOR = 4;
const WIRE_OVERHEAD = 256;
/** Requests may take WIRE_FACTOR times `maxQueuedBytes` as frames; what is beyond this is answers that the agent does not read. */
export const UNREAD_FACTOR = WIRE_FACTOR + 1;
/** The most bytes of UTF-8 for a UTF-16 unit. */
const UTF8_FACTOR = 3;

/** The payload of an ExecuteRequest. Throws FRAME_TOO_LARGE if its frame could be larger than the bound. */
export function encodeRequest(taskId: string, { command, args, env }: ParsedRequest, maxFrameBytes: number): string {
  const payload = encodeExecuteRequest({ taskId, command, args, env });
  checkSize('the request', payload, maxFrameBytes);
  return payload;
}

/** Throws FRAME_TOO_LARGE if the frame of a payload could be larger than the bound. */
export function checkSize(what: string, payload: string, maxFrameBytes: number, ids: ErrorFacts = {}): void {
  // Counting bytes is dear: it is done only for payloads that could be too large.
  if (payload.length * UTF8_FACTOR * WIRE_FACTOR + WIRE_OVERHEAD <= maxFrameBytes) return;
  const size = Buffer.byteLength(payload) * WIRE_FACTOR + WIRE_OVERHEAD;
  if (size <= maxFrameBytes) return;
  throw new SpearletError(
    'FRAME_TOO_LARGE',
    `${what} may need ${size} bytes on the wire, the bound is maxFrameBytes (${maxFrameBytes})`,
    ids,
  );
}

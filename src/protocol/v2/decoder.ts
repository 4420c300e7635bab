// Bytes to messages of wire v2: cuts the stream into frames, and hands each message to the receiver.
import { SpearletError } from '../../errors.ts';
import type { AgentReceiver, Decoder, HostReceiver } from '../codec.ts';
import { Reader, readOutput, readReport, readRequest, readResult, readStarted } from './body.ts';
import { join, reuse } from './joined.ts';
import { append, LargeBodies } from './large-bodies.ts';
import { fault, readU32, readU64 } from './numbers.ts';
import * as types from './types.ts';

const { CONTROL, HEADER_BYTES, MORE } = types;

/** Gets a whole body as a range of a buffer. It may keep no reference to the buffer after it returns. */
export type Deliver<Receiver> = (
  decoder: V2Decoder<Receiver>,
  type: number,
  flags: number,
  requestId: number,
  buffer: Buffer,
  from: number,
  to: number,
) => void;

export class V2Decoder<Receiver> implements Decoder<Receiver> {
  receiver: Receiver;
  limit: number;
  /** The number of whole messages so far, and of those that count. */
  frames = 0;
  counted = 0;
  /** Told how many counted messages the other end has. */
  readonly acknowledged: (count: number) => void;
  readonly #allowed: types.AllowedFlags;
  readonly #deliver: Deliver<Receiver>;
  // A frame that has not arrived whole: its header, and the parts of its body as they came.
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #bodyBytes = 0;
  /** Bodies in pieces that have not arrived whole. */
  readonly large = new LargeBodies();
  #paused = false;
  #broken = false;
  #kept: Buffer[] = [];

  constructor(
    limit: number,
    receiver: Receiver,
    acknowledged: (count: number) => void,
    allowed: types.AllowedFlags,
    deliver: Deliver<Receiver>,
  ) {
    this.limit = limit;
    this.receiver = receiver;
    this.acknowledged = acknowledged;
    this.#allowed = allowed;
    this.#deliver = deliver;
  }

  get unfinished(): number {
    return this.#headerBytes + this.#partBytes + this.large.bytes;
  }

  push(chunk: Buffer): void {
    if (this.#broken) return;
    if (this.#paused) {
      this.#kept.push(chunk);
      return;
    }
    try {
      this.#read(chunk);
    } catch (thrown) {
      // The stream cannot be read on, so what was kept is no longer of use.
      this.#broken = true;
      this.#kept = [];
      this.#parts = [];
      this.large.clear();
      throw thrown;
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const chunk of this.rest()) this.push(chunk);
  }

  rest(): Buffer[] {
    const waiting = this.#kept;
    this.#kept = [];
    return waiting;
  }

  #read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#paused) {
        this.#kept.push(chunk.subarray(at));
        return;
      }
      if (this.#headerBytes > 0 || chunk.length - at < HEADER_BYTES) {
        at = this.#fill(chunk, at);
        continue;
      }
      const start = at + HEADER_BYTES;
      const end = start + this.#checked(chunk, at);
      if (end > chunk.length) at = this.#fill(chunk, at);
      else {
        const head = at;
        at = end;
        if (this.#isPiece(chunk, head)) this.#join(chunk, head, start === end ? [] : [chunk.subarray(start, end)], end - start);
        else this.#dispatch(chunk, head, chunk, start, end);
      }
    }
  }

  /** The length of a body whose header is in order. Nothing is allocated for it: its parts are kept as they arrive. */
  #checked(head: Buffer, at: number): number {
    const length = readU32(head, at);
    const type = head[at + 4]!;
    const allowed = this.#allowed[type]!;
    if (allowed === -1) throw fault(`a frame of type 0x${type.toString(16).padStart(2, '0')}, which is not expected here`);
    if ((head[at + 5]! & ~allowed) !== 0) throw fault('a frame with a flag that its type does not have');
    if (head[at + 6] !== 0 || head[at + 7] !== 0) throw fault('a frame header whose reserved bytes are not zero');
    if (length > this.limit) throw new SpearletError('FRAME_TOO_LARGE', `a frame announces ${length} bytes, the bound is ${this.limit}`);
    return length;
  }

  #isPiece(head: Buffer, at: number): boolean {
    return (head[at + 5]! & MORE) !== 0 || (!this.large.isEmpty && this.large.has(readU64(head, at + 8), head[at + 4]!));
  }

  /** A piece of a body: kept, or the last one, with which the body is delivered. */
  #join(head: Buffer, at: number, pieces: readonly Buffer[], bytes: number): void {
    const [type, flags] = [head[at + 4]!, head[at + 5]!];
    const requestId = readU64(head, at + 8);
    const kind = type | ((flags & ~MORE) << 8);
    const whole = this.large.add(requestId, kind, pieces, bytes, (flags & MORE) === 0, this.limit);
    if (whole === null) return;
    this.frames += 1;
    this.counted += 1;
    this.#deliver(this, type, flags, requestId, whole.buffer, 0, whole.bytes);
    reuse(whole.buffer);
  }

  #dispatch(head: Buffer, at: number, buffer: Buffer, from: number, to: number): void {
    this.frames += 1;
    if (head[at + 4]! < CONTROL) this.counted += 1;
    this.#deliver(this, head[at + 4]!, head[at + 5]!, readU64(head, at + 8), buffer, from, to);
  }

  /** Goes on with the frame that has not arrived whole; returns where the next one begins. */
  #fill(chunk: Buffer, start: number): number {
    const header = this.#header;
    let at = start;
    if (this.#headerBytes < HEADER_BYTES) {
      const taken = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - at);
      chunk.copy(header, this.#headerBytes, at, at + taken);
      this.#headerBytes += taken;
      at += taken;
      if (this.#headerBytes < HEADER_BYTES) return at;
      this.#bodyBytes = this.#checked(header, 0);
    }
    const taken = Math.min(this.#bodyBytes - this.#partBytes, chunk.length - at);
    if (taken > 0) append(this.#parts, chunk.subarray(at, at + taken));
    this.#partBytes += taken;
    at += taken;
    if (this.#partBytes < this.#bodyBytes) return at;
    const [pieces, bytes] = [this.#parts, this.#bodyBytes];
    this.#headerBytes = 0;
    this.#parts = [];
    this.#partBytes = 0;
    if (this.#isPiece(header, 0)) this.#join(header, 0, pieces, bytes);
    else if (pieces.length === 1) this.#dispatch(header, 0, pieces[0]!, 0, bytes);
    else {
      const buffer = join(pieces, bytes);
      this.#dispatch(header, 0, buffer, 0, bytes);
      reuse(buffer);
    }
    return at;
  }
}

function requireNoId(requestId: number): void {
  if (requestId !== 0) throw fault('a request id in a frame that belongs to no request');
}

/** What both sides read. */
function control(
  { receiver, acknowledged }: Pick<V2Decoder<Pick<HostReceiver, 'heartbeat' | 'resume' | 'other'>>, 'receiver' | 'acknowledged'>,
  type: number,
  requestId: number,
  reader: Reader,
): void {
  if (type === types.HEARTBEAT) return receiver.heartbeat(requestId, reader.rest());
  requireNoId(requestId);
  if (type === types.ERROR) return receiver.other('Error', reader.rest());
  const count = reader.u64();
  reader.end();
  if (type === types.ACKNOWLEDGE) acknowledged(count);
  else receiver.resume(count);
}

const deliverToHost: Deliver<HostReceiver> = (decoder, type, flags, requestId, bytes, from, to) => {
  const { receiver } = decoder;
  if (type === types.OUTPUT) receiver.executeResponse(requestId, readOutput(flags, new Reader(bytes, from, to)));
  else if (type === types.RESULT) receiver.executeResponse(requestId, readResult(flags, new Reader(bytes, from, to)));
  else if (type === types.STARTED) receiver.executeResponse(requestId, readStarted(flags, new Reader(bytes, from, to)));
  else if (type === types.REPORT) {
    const report = readReport(bytes.subarray(from, to));
    // A newer agent may know more signals.
    if (report !== null) receiver.executeResponse(requestId, report);
  } else control(decoder, type, requestId, new Reader(bytes, from, to));
};

const deliverToAgent =
  (instanceId: string): Deliver<AgentReceiver> =>
  (decoder, type, flags, requestId, bytes, from, to) => {
    const { receiver } = decoder;
    const reader = new Reader(bytes, from, to);
    if (type === types.REQUEST) receiver.executeRequest(requestId, readRequest(flags, reader, instanceId, requestId));
    else if (type === types.CANCEL) {
      reader.end();
      // A request that has not arrived whole was never executed: its pieces are dropped.
      if (!decoder.large.forget(requestId)) receiver.cancel(requestId, null);
    } else if (type === types.WINDOW) {
      const bytes = reader.u32();
      reader.end();
      receiver.window(requestId, bytes);
    } else if (type >= CONTROL) control(decoder, type, requestId, reader);
    else {
      requireNoId(requestId);
      if (type === types.SIGNAL) return receiver.signal(reader.restText());
      reader.u32();
      reader.end();
      receiver.terminate();
    }
  };

/** Reads what an agent sends. `acknowledged` is told how many counted messages the agent has. */
export const hostDecoder = (limit: number, receiver: HostReceiver, acknowledged: (count: number) => void): V2Decoder<HostReceiver> =>
  new V2Decoder(limit, receiver, acknowledged, types.fromAgent, deliverToHost);

/** Reads what a host sends. `instanceId`: an empty task id means `<instance id>/<request id>`. */
export const agentDecoder =
  (instanceId: string) =>
  (limit: number, receiver: AgentReceiver, acknowledged: (count: number) => void): V2Decoder<AgentReceiver> =>
    new V2Decoder(limit, receiver, acknowledged, types.fromHost, deliverToAgent(instanceId));

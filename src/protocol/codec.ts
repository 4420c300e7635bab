// One version of the wire format: bytes to messages and messages to bytes, framing included. A connection may go on with
// another codec between two frames.
import type { AuthRequest, AuthResponse, ExecuteRequest, ExecuteResponse, MessageType, U64 } from './message.ts';
import type { Pieces } from './pieces.ts';

/**
 * Takes the messages that an agent sends. Each function may throw SpearletError PROTOCOL_ERROR: the stream then ends. No
 * function may keep a reference to a Buffer after it returns.
 */
export interface HostReceiver {
  authRequest(requestId: U64, request: AuthRequest): void;
  executeResponse(requestId: U64, response: ExecuteResponse): void;
  heartbeat(requestId: U64, payload: Buffer): void;
  /** The first message of a connection of v2: how many counted messages the agent has. */
  resume(count: number): void;
  /** An Error, or a message that an agent does not send. */
  other(type: MessageType, payload: Buffer): void;
}

/** Takes the messages that a host sends. The same rules as for HostReceiver. */
export interface AgentReceiver {
  authResponse(response: AuthResponse): void;
  executeRequest(requestId: U64, request: ExecuteRequest): void;
  /** `taskId` is null on wire v2, where the request id is enough. */
  cancel(requestId: U64, taskId: string | null): void;
  /** What `instance.send(data)` sends. */
  signal(data: string): void;
  terminate(): void;
  heartbeat(requestId: U64, payload: Buffer): void;
  /** The first message of a connection of v2: how many counted messages the host has. */
  resume(count: number): void;
  /** More output of this execution may be sent, in bytes. Since v2. */
  window(requestId: U64, bytes: number): void;
  /** An Error, or a message that a host does not send. */
  other(type: MessageType, payload: Buffer): void;
}

/** Cuts a byte stream, however it is split, into messages, one at a time and in order. */
export interface Decoder<Receiver> {
  /** Gets every message from now on. */
  receiver: Receiver;
  /** The largest frame body accepted from now on, in bytes. */
  limit: number;
  /** The number of whole frames so far. */
  readonly frames: number;
  /** The number of messages that the other end keeps until they are acknowledged. */
  readonly counted: number;
  /** How many bytes of an unfinished frame have arrived: 0 where the stream may end in order. */
  readonly unfinished: number;
  /**
   * Takes the next bytes of the stream. Throws SpearletError FRAME_TOO_LARGE or PROTOCOL_ERROR; after that the stream cannot be
   * read on.
   */
  push(chunk: Buffer): void;
  /** Gives no more messages, also in the middle of a chunk; the rest of that chunk is kept. */
  pause(): void;
  /** Goes on with what was kept. */
  resume(): void;
  /** Hands over what was kept while it was paused, for another decoder to go on with. */
  rest(): Buffer[];
}

export interface Codec<Receiver> {
  readonly version: number;
  /** It carries bytes as they are, and `input` with a request. Without this, texts only. */
  readonly carriesBytes: boolean;
  /** The most bytes of a frame for one UTF-16 unit of a text that is plain ASCII. */
  readonly expansion: number;
  /** Calls `acknowledged` with the number of counted messages that the other end has. */
  createDecoder(maxFrameBytes: number, receiver: Receiver, acknowledged: (count: number) => void): Decoder<Receiver>;
  /** How many counted messages have arrived: of the whole epoch, as the first message of a connection, or later. Since v2. */
  resume(count: number): Buffer;
  acknowledge(count: number): Buffer;
  /** Each of the following makes one message: a whole frame, or Pieces where the body is large. Throws SpearletError PROTOCOL_ERROR for a text that is not well-formed. */
  heartbeat(requestId: U64, payload: Buffer | ''): Buffer;
  error(code: string, message: string): Buffer;
}

export interface HostCodec extends Codec<HostReceiver> {
  authResponse(requestId: U64, response: AuthResponse): Buffer;
  executeRequest(requestId: U64, request: ExecuteRequest): Buffer | Pieces;
  cancel(requestId: U64, taskId: string): Buffer;
  signal(requestId: U64, data: string): Buffer;
  /** More output of this execution may be sent, in bytes. Since v2. */
  window(requestId: U64, bytes: number): Buffer;
  /** `grace`: how long the agent has to end, in ms. */
  terminate(grace: number): Buffer;
}

export interface AgentCodec extends Codec<AgentReceiver> {
  authRequest(requestId: U64, request: AuthRequest): Buffer;
  executeResponse(requestId: U64, response: ExecuteResponse): Buffer | Pieces;
}

// The seven messages and what they carry, in memory. A codec (v1/, v2/) decides how they look on a wire.
import type { RequestSettings } from '../options/execution.ts';

export const messageTypes = ['AuthRequest', 'AuthResponse', 'ExecuteRequest', 'ExecuteResponse', 'Signal', 'Heartbeat', 'Error'] as const;
export type MessageType = (typeof messageTypes)[number];

/** What an agent's program writes to. */
export type OutputChannel = 'stdout' | 'stderr';

export const statuses = ['Started', 'Running', 'Completed', 'Failed'] as const;
export type Status = (typeof statuses)[number];

/** An unsigned 64-bit integer: a number where that is exact, a bigint beyond 2^53 - 1, never both for one value. */
export type U64 = number | bigint;

/** Wall-clock time as Rust's SystemTime writes it. */
export interface Timestamp {
  readonly secs: U64;
  readonly nanos: number;
}

/** The outer layer: what every frame holds. `payload` is another encoding layer, or any bytes (Signal, Heartbeat, Error). */
export interface SpearMessage {
  readonly type: MessageType;
  readonly requestId: U64;
  readonly timestamp: Timestamp;
  readonly payload: Buffer;
}

export interface AuthRequest {
  readonly instanceId: string;
  /** Empty where the agent proves itself instead. */
  readonly token: string;
  readonly clientVersion: string;
  /** The agent knows more than v1. */
  readonly offer?: Offer;
  /** What an agent of v1 understands beside v1. On v2 the offer has it. */
  readonly features?: readonly string[];
  /** The agent's answer to a challenge, 32 bytes as hex. */
  readonly proof?: string;
}

/** The first message of a handshake of v2 (docs/protocol.md). */
export interface Offer {
  readonly protocols: readonly number[];
  /** 32 random bytes as hex. */
  readonly nonce: string;
  readonly features: readonly string[];
  /** The epoch that the agent resumes. Null: it has none, and proves itself with the token. */
  readonly epoch: number | null;
}

/** The host's answer to an offer: it proves that it knows the key, and asks the agent for the same. */
export interface Challenge {
  readonly protocol: number;
  readonly nonce: string;
  readonly proof: string;
  readonly epoch: number;
}

/** The error message of an AuthResponse to an agent with the right token, whose session another connection holds. */
export const CLAIMED = 'already claimed';

export interface AuthResponse {
  readonly success: boolean;
  readonly errorMessage: string | null;
  readonly sessionId: string | null;
  readonly challenge?: Challenge;
  /** Of a refusal: the versions that the host speaks. */
  readonly protocols?: readonly number[];
}

export interface ExecuteRequest {
  readonly taskId: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  /** Bytes for the program's standard input. On wire v1 they have to be text, and the agent has to announce `input`. */
  readonly input?: Uint8Array | undefined;
  /** Each needs a feature that the agent has announced. */
  readonly settings?: RequestSettings | undefined;
}

/** The feature that an agent announces for each setting. */
export const featureOf: Readonly<Record<keyof RequestSettings, string>> = {
  workingDirectory: 'working-directory',
  timeout: 'timeout',
  background: 'background',
};

export interface ExecuteResponse {
  /** Null on wire v2, where the request id is enough. */
  readonly taskId: string | null;
  readonly status: Status;
  /** Bytes on wire v2. */
  readonly output: string | Buffer | null;
  /** The channel of a Running output, if the agent says it. */
  readonly channel?: OutputChannel | undefined;
  readonly error: string | null;
  readonly exitCode: number | null;
  /**
   * Bytes of running output that this execution had written before this message. The SDK says so once a connection was lost,
   * so that the host knows what was lost with it; agents in other languages may.
   */
  readonly outputOffset?: number | undefined;
  /** A Running with a signal has no output. */
  readonly signal?: AgentSignal | undefined;
}

/** What a handler has thrown. */
export interface AgentException {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** The handler did not run: its schema has refused the argument of the call, for these reasons. */
  readonly issues?: readonly { readonly path: string; readonly message: string }[];
}

/** What an agent sends about an execution beside its responses. `bytes`: the size of the signal on the wire. */
export type AgentSignal =
  | { readonly signal: 'progress'; readonly value: unknown; readonly bytes: number }
  | { readonly signal: 'exception'; readonly value: AgentException; readonly bytes: number };

/** What a host puts into a Signal. An agent in another language may send or understand less. */
export type Signal =
  | { readonly signal: 'terminate'; readonly grace_ms: number }
  | { readonly signal: 'cancel'; readonly task_id: string }
  | { readonly signal: 'user'; readonly data: string };

/** The task id of a request without one. On wire v2 it is not sent: the agent makes it by itself. */
export const defaultTaskId = (instanceId: string, requestId: U64): string => `${instanceId}/${requestId}`;

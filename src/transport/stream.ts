// What a transport provides, whatever it is made of: an ordered, reliable stream of bytes, and a listener for new ones.
import type { Address } from './address.ts';

export interface ByteStreamEvents {
  data(chunk: Buffer): void;
  /** The system has taken all written bytes: writing may continue. */
  drained(): void;
  /**
   * Called once, as the last event. `orderly`: the other end closed the stream after its last byte. `isViolation`: it broke the
   * rules of the transport.
   */
  closed(end: { orderly: boolean; message: string; isViolation?: boolean }): void;
}

export interface ByteStream {
  /** The address of the other end, for people. */
  readonly peer: string;
  /** Bytes that are written, but not yet taken by the system. */
  readonly pending: number;
  /** Must be called exactly once; no event comes before. */
  open(events: ByteStreamEvents): void;
  /** Writes all frames in order. False: wait for `drained` before the next write. */
  write(frames: readonly Buffer[]): boolean;
  pause(): void;
  resume(): void;
  /** Closes the stream after all written bytes were sent. */
  end(): void;
  /** Closes the stream now. Bytes that the system has taken are still sent; `pending` bytes are not. */
  close(): void;
}

export interface Listener {
  /** The bound address. An agent gets it as text, in SPEARLET_ADDR. */
  readonly address: Address;
  /** Resolves when the address is free again. */
  close(): Promise<void>;
}

export interface Network {
  /**
   * Binds before it returns, so that the address is owned from then on. `origins`: the web pages that may connect; only a
   * WebSocket has some. Throws an error with the system's `code` (`EADDRINUSE` and others), and INVALID_OPTIONS for a kind of
   * address that this network does not have.
   */
  listen(at: Address, accepted: (stream: ByteStream) => void, origins?: readonly string[]): Listener;
  /** Connects to an address. A failure is reported by `closed`, too. Throws INVALID_OPTIONS as `listen` does. */
  connect(at: Address, connected: () => void): ByteStream;
}

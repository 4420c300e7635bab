// What a transport offers, whatever it is made of: an ordered, reliable stream of bytes, and a place to wait for one.

export interface WireEvents {
  data(chunk: Buffer): void;
  /** All that was written has been taken by the system: write on. */
  drained(): void;
  /** Called once, last. `orderly`: the other end closed after all it had to say. */
  closed(end: { orderly: boolean; message: string }): void;
}

export interface Wire {
  /** Who is at the other end, for people. */
  readonly peer: string;
  /** Written, but not yet taken by the system, in bytes. */
  readonly pending: number;
  /** Has to be called once, before anything arrives. */
  open(events: WireEvents): void;
  /** Writes all of it in order; false: wait for `drained` before more. */
  write(frames: readonly Buffer[]): boolean;
  pause(): void;
  resume(): void;
  /** Ends it once all that was written has gone out. */
  end(): void;
  /** Ends it now. What the system has taken still goes out; what is `pending` does not. */
  close(): void;
}

export interface Listening {
  /** What an agent is told, as `host:port`. */
  readonly address: string;
  readonly port: number;
  /** Resolves when the port is free again. */
  close(): Promise<void>;
}

export interface Network {
  /** Binds first: when it returns, the port is ours. Throws an error with the system's `code` (`EADDRINUSE` and so on). */
  listen(at: { host: string; port: number }, accepted: (wire: Wire) => void): Listening;
  /** RequestTable an address; `closed` tells of a failure too. */
  connect(at: { host: string; port: number }, connected: () => void): Wire;
}

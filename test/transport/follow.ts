// Opens a stream and keeps what it tells, for the tests of transports.
import type { ByteStream } from '../../src/transport/stream.ts';

export interface Followed {
  readonly stream: ByteStream;
  /** The names of the events, in order; pieces of data in a row count once. */
  readonly events: string[];
  readonly end: { orderly: boolean; message: string } | null;
  readonly bytes: number;
  readonly drains: number;
  all(): Buffer;
}

/** A number of bytes that are known by their place. */
export function pattern(length: number, from = 0): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 1) bytes[i] = ((from + i) * 31 + ((from + i) >> 8)) & 0xff;
  return bytes;
}

/** Opens a stream, and keeps what it tells. An event inside of a call, or behind `closed`, is a fault. */
export function follow(stream: ByteStream, told: { data?(chunk: Buffer): void; closed?(): void } = {}): Followed {
  const chunks: Buffer[] = [];
  const events: string[] = [];
  let bytes = 0;
  let drains = 0;
  let end: { orderly: boolean; message: string } | null = null;
  const note = (event: string): void => {
    if (end !== null) events.push(`${event} after closed`);
    else if (events.at(-1) !== event || event !== 'data') events.push(event);
  };
  stream.open({
    data(chunk) {
      note('data');
      bytes += chunk.length;
      chunks.push(Buffer.from(chunk));
      // Whoever receives a chunk may write into it.
      chunk.fill(0);
      told.data?.(chunk);
    },
    drained() {
      note('drained');
      drains += 1;
    },
    closed(ended) {
      note('closed');
      end = ended;
      told.closed?.();
    },
  });
  return {
    stream,
    events,
    all: () => Buffer.concat(chunks),
    get end() {
      return end;
    },
    get bytes() {
      return bytes;
    },
    get drains() {
      return drains;
    },
  };
}

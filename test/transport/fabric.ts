// A network under test, connections over it, and what their ends tell.
import type { Address } from '../../src/transport/address.ts';
import type { ByteStream, Listener, Network } from '../../src/transport/stream.ts';
import { atEnd } from '../census/census.ts';
import type { HandClock } from '../world/clock.ts';

export interface Fabric {
  readonly network: Network;
  /** An address that is free, or that the system completes. TCP by default. */
  at?(): Address;
  /** An end that is told of an end can still send. True by default. */
  readonly halfCloses?: boolean;
  /** What an accepted stream tells of its other end. A TCP address by default. */
  readonly peer?: RegExp;
  /** More bytes than lie between two ends of this network. */
  readonly plenty: number;
  /** Lets the network work until it is so; never resolves, or rejects, where it will not be. */
  until(isSo: () => boolean): Promise<void>;
}

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

/** Runs every timer, and those that they set. */
export function untilIdle(clock: HandClock): void {
  while (clock.step() !== null);
}

const ANY: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 };

export function listen(fabric: Fabric, accepted: (stream: ByteStream) => void, at: Address = fabric.at?.() ?? ANY): Listener {
  const listener = fabric.network.listen(at, accepted);
  atEnd(() => void listener.close());
  return listener;
}

/** A connection, neither end open. */
export async function join(fabric: Fabric) {
  const arrived: ByteStream[] = [];
  const listener = listen(fabric, stream => arrived.push(stream));
  let isConnected = false;
  const dialled = fabric.network.connect(listener.address, () => (isConnected = true));
  atEnd(() => dialled.close());
  await fabric.until(() => arrived.length > 0 && isConnected);
  const accepted = arrived[0]!;
  atEnd(() => accepted.close());
  return { listener, dialled, accepted };
}

/** Whatever was sent before has arrived by then, as far as it does: a message went there and back on another connection. */
export async function settle(fabric: Fabric, { address }: Listener, arrived: () => ByteStream[]): Promise<void> {
  const before = arrived().length;
  const probe = follow(fabric.network.connect(address, () => {}));
  await fabric.until(() => arrived().length > before);
  const other = follow(arrived()[before]!, { data: () => void other.stream.write([Buffer.from('!')]) });
  probe.stream.write([Buffer.from('?')]);
  await fabric.until(() => probe.bytes === 1);
  probe.stream.close();
  await fabric.until(() => probe.end !== null && other.end !== null);
}

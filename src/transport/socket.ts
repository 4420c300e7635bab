// A socket of Node, or what behaves like one, as a byte stream. It knows nothing of the bytes that it carries.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { reasonOf } from '../errors.ts';
import type { ByteStream, ByteStreamEvents } from './stream.ts';

/** Frames below this size are joined with their neighbours, in bytes: one copy is cheaper than many small buffers for writev. */
const SMALL = 16 * 1024;

/** The same bytes, in order, in few buffers. */
function joined(frames: readonly Buffer[]): Buffer[] {
  const buffers: Buffer[] = [];
  let small: Buffer[] = [];
  const join = (): void => {
    if (small.length === 0) return;
    buffers.push(small.length === 1 ? small[0]! : Buffer.concat(small));
    small = [];
  };
  for (const frame of frames)
    if (frame.length < SMALL) small.push(frame);
    else {
      join();
      buffers.push(frame);
    }
  join();
  return buffers;
}

/** A class, because V8 gives each object literal with a getter a hash table of its own. */
export class DuplexStream implements ByteStream {
  readonly peer: string;
  readonly #socket: Duplex;
  #failure = '';

  /** `reset`: registers for an error that the duplex itself does not report. */
  constructor(socket: Duplex, peer: string, reset?: (failed: (error: Error) => void) => void) {
    this.#socket = socket;
    this.peer = peer;
    const failed = (error: Error): void => {
      this.#failure = reasonOf(error);
    };
    reset?.(failed);
    // Added at once: Node makes an error without a listener an uncaught exception of the host.
    socket.on('error', failed);
  }

  get pending(): number {
    return this.#socket.writableLength;
  }

  open(events: ByteStreamEvents): void {
    const socket = this.#socket;
    socket.on('data', events.data);
    socket.on('drain', events.drained);
    socket.on('close', () => {
      const failure = this.#failure;
      const hasEnded = socket.readableEnded;
      events.closed({ orderly: hasEnded && failure === '', message: failure || (hasEnded ? 'closed by the other end' : 'closed') });
    });
  }

  write(frames: readonly Buffer[]): boolean {
    const socket = this.#socket;
    if (!socket.writable) return false;
    const buffers = frames.length === 1 ? frames : joined(frames);
    if (buffers.length === 1) return socket.write(buffers[0]!);
    socket.cork();
    let more = true;
    for (const buffer of buffers) more = socket.write(buffer);
    socket.uncork();
    return more;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}

export function socketStream(socket: Socket, peer: string): ByteStream {
  socket.setNoDelay(true);
  return new DuplexStream(socket, peer);
}

/** The address of the other end of a TCP connection. */
export const peerOf = (socket: Socket): string => `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;

/** Hands each socket of a server over as a stream. `peerOf`: the address of its other end, for people. */
export const accepting =
  (accepted: (stream: ByteStream) => void, peerOf: (socket: Socket) => string) =>
  (socket: Socket): void => {
    try {
      accepted(socketStream(socket, peerOf(socket)));
    } catch {
      // An exception of the handler must not end the host.
      socket.destroy();
    }
  };

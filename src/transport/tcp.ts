// TCP as a byte stream. It knows sockets, and nothing of the bytes that they carry. One of the files that touch the world.
import net, { createServer, connect as dial, isIPv6, type Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { reasonOf } from '../errors.ts';
import { requireTcp, type TcpAddress } from './address.ts';
import type { ByteStream, ByteStreamEvents, Network } from './stream.ts';

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

function tcpStream(socket: Socket, peer: string): ByteStream {
  socket.setNoDelay(true);
  let failure = '';
  // Added at once: Node makes an error without a listener an uncaught exception of the host.
  socket.on('error', error => {
    failure = reasonOf(error);
  });
  return {
    peer,
    get pending() {
      return socket.writableLength;
    },
    open(events: ByteStreamEvents) {
      let ended = false;
      socket.on('data', events.data);
      socket.on('drain', events.drained);
      socket.on('end', () => {
        ended = true;
      });
      socket.on('close', () => {
        events.closed({ orderly: ended && failure === '', message: failure || (ended ? 'closed by the other end' : 'closed') });
      });
    },
    write(frames) {
      if (!socket.writable) return false;
      const buffers = frames.length === 1 ? frames : joined(frames);
      if (buffers.length === 1) return socket.write(buffers[0]!);
      socket.cork();
      let more = true;
      for (const buffer of buffers) more = socket.write(buffer);
      socket.uncork();
      return more;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    close: () => void socket.destroy(),
  };
}

const peerOf = (socket: Socket): string => `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;

/** Undocumented, but the only way of node:net to bind in the same turn: `listen({ host })` resolves the host first. */
const { _createServerHandle: bind } = net as never as { _createServerHandle(host: string, port: number, family: 4 | 6): object | number };

const failure = (code: string, { host, port }: TcpAddress): Error => Object.assign(new Error(`listen ${code}: ${host}:${port}`), { code });

export const tcp: Network = {
  listen(at, accepted) {
    const wanted = requireTcp(at);
    const { host, port } = wanted;
    const handle = bind(host, port, isIPv6(host) ? 6 : 4);
    if (typeof handle === 'number') throw failure(getSystemErrorName(handle), wanted);
    const server = createServer(socket => {
      try {
        accepted(tcpStream(socket, peerOf(socket)));
      } catch {
        // An exception of the handler must not end the host.
        socket.destroy();
      }
    });
    // An error while accepting, such as EMFILE, loses that socket; the listener stays.
    server.on('error', () => {});
    server.listen(handle);
    const bound = server.address();
    // SO_REUSEADDR lets a second socket bind to a port on which another program listens.
    if (!server.listening || bound === null || typeof bound === 'string') throw failure('EADDRINUSE', wanted);
    return {
      address: { kind: 'tcp', host: bound.address, port: bound.port },
      close: () => new Promise(closed => server.close(() => closed())),
    };
  },
  connect(at, connected) {
    const { host, port } = requireTcp(at);
    const socket = dial({ host, port });
    socket.once('connect', connected);
    return tcpStream(socket, `${host}:${port}`);
  },
};

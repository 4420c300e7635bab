// TCP as a wire. It knows sockets and nothing of what they carry.
import net, { createServer, connect as dial, isIPv6, type Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { reasonOf } from '../errors.ts';
import type { Network, Wire, WireEvents } from './stream.ts';

/** Up to here a turn's frames are joined, which is cheaper than handing many small buffers to writev. */
const JOIN_BYTES = 64 * 1024;

function tcpWire(socket: Socket, peer: string): Wire {
  socket.setNoDelay(true);
  let failure = '';
  // From the start: an error nobody listens for would end the host.
  socket.on('error', error => {
    failure = reasonOf(error);
  });
  return {
    peer,
    get pending() {
      return socket.writableLength;
    },
    open(events: WireEvents) {
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
      if (frames.length === 1) return socket.write(frames[0]!);
      let bytes = 0;
      for (const frame of frames) bytes += frame.length;
      if (bytes <= JOIN_BYTES) return socket.write(Buffer.concat(frames, bytes));
      socket.cork();
      let more = true;
      for (const frame of frames) more = socket.write(frame);
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

/** node:net has a listening handle bound at once, but does not document it: `listen({ host })` looks an address up first. */
const { _createServerHandle: bind } = net as never as { _createServerHandle(host: string, port: number, family: 4 | 6): object | number };

const failure = (code: string, host: string, port: number): Error => Object.assign(new Error(`listen ${code}: ${host}:${port}`), { code });

export const tcp: Network = {
  listen({ host, port }, accepted) {
    const handle = bind(host, port, isIPv6(host) ? 6 : 4);
    if (typeof handle === 'number') throw failure(getSystemErrorName(handle), host, port);
    const server = createServer(socket => {
      try {
        accepted(tcpWire(socket, peerOf(socket)));
      } catch {
        // Nobody is there to take it; that must not be the end of the host.
        socket.destroy();
      }
    });
    // EMFILE and the like while accepting: that socket is lost, the listener is not.
    server.on('error', () => {});
    server.listen(handle);
    const bound = server.address();
    // Somebody else listens on what could be bound (SO_REUSEADDR).
    if (!server.listening || bound === null || typeof bound === 'string') throw failure('EADDRINUSE', host, port);
    const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    return { address: `${name}:${bound.port}`, port: bound.port, close: () => new Promise(closed => server.close(() => closed())) };
  },
  connect({ host, port }, connected) {
    const socket = dial({ host, port });
    socket.once('connect', connected);
    return tcpWire(socket, `${host}:${port}`);
  },
};

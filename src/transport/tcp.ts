// TCP as a network. It knows nothing of the bytes that its sockets carry.
import { createServer, connect as dial } from 'node:net';
import { requireKind } from './address.ts';
import { bindPort, closeServer } from './bind.ts';
import { accepting, peerOf, socketStream } from './socket.ts';
import type { Network } from './stream.ts';

export const tcp: Network = {
  listen(at, accepted) {
    const wanted = requireKind(at, 'tcp');
    const server = createServer(accepting(accepted, peerOf));
    return { address: bindPort(server, wanted), close: () => closeServer(server) };
  },
  connect(at, connected) {
    const { host, port } = requireKind(at, 'tcp');
    const socket = dial({ host, port });
    socket.once('connect', connected);
    return socketStream(socket, `${host}:${port}`);
  },
};

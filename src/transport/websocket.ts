// WebSockets as a network, for agents that HTTP alone reaches, such as a page in a browser. It refuses requests of foreign pages and to
// foreign names, and leaves authentication to the bytes.
import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { bounds } from '../limits.ts';
import { formatAddress, requireKind } from './address.ts';
import { bindPort, closeServer } from './bind.ts';
import type { Network } from './stream.ts';

/** How long a client may take to send its request, in ms. */
const REQUEST_TIMEOUT = 5_000;
const NAMES = { 403: 'Forbidden', 404: 'Not Found', 500: 'Internal Server Error' };

/** DNS rebinding: a page of another site can resolve its own name to a loopback address, so the Host header is checked too. */
function refusalOf({ headers, url }: IncomingMessage, host: string, origins: readonly string[]): keyof typeof NAMES | null {
  if (headers.host !== host || (headers.origin !== undefined && !origins.includes(headers.origin))) return 403;
  return url === '/' ? null : 404;
}

export const webSockets: Pick<Network, 'listen'> = {
  listen(at, accepted, origins = []) {
    const { hostname, port } = new URL(requireKind(at, 'ws').url);
    const server = createServer((_, response) => void response.writeHead(426, { connection: 'close' }).end());
    server.headersTimeout = REQUEST_TIMEOUT;
    server.requestTimeout = REQUEST_TIMEOUT;
    // A host without WebSockets starts faster without `ws`. It is loaded here, while the program of the agent starts.
    const loading = import('./websocket-upgrade.ts').catch(() => null);
    /** Connections that have not become a WebSocket yet, the oldest first. */
    const requesting = new Set<Socket>();
    server.on('connection', socket => {
      requesting.add(socket);
      socket.once('close', () => requesting.delete(socket));
      if (requesting.size > bounds.pendingConnections) for (const oldest of requesting) return void oldest.destroy();
    });
    server.on('upgrade', (request, duplex, head) => {
      const socket = duplex as Socket;
      // ws listens for errors only from the upgrade on.
      socket.on('error', () => socket.destroy());
      const refuse = (status: keyof typeof NAMES): void =>
        void socket.end(`HTTP/1.1 ${status} ${NAMES[status]}\r\nConnection: close\r\n\r\n`);
      const status = refusalOf(request, host, origins);
      if (status !== null) {
        requesting.delete(socket);
        return refuse(status);
      }
      void loading.then(loaded => {
        requesting.delete(socket);
        if (loaded === null) return refuse(500);
        loaded.upgrade(request, socket, head, accepted);
      });
    });
    const bound = bindPort(server, { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) });
    const url = `ws://${formatAddress(bound)}/`;
    const { host } = new URL(url);
    return {
      address: { kind: 'ws', url },
      close() {
        const closed = closeServer(server);
        for (const socket of requesting) socket.destroy();
        return closed;
      },
    };
  },
};

// WebSockets as a network, for agents that HTTP alone reaches, such as a page in a browser. It refuses requests of foreign pages and to
// foreign names, and leaves authentication to the bytes. One of the files that touch the world.
import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { bounds } from '../limits.ts';
import { formatAddress, requireKind } from './address.ts';
import { bindPort, closeServer } from './bind.ts';
import { peerOf } from './socket.ts';
import type { Network } from './stream.ts';
import { MAX_MESSAGE, webSocketStream } from './websocket-stream.ts';

/** How long the other end may take to close, in ms. */
const CLOSE_TIMEOUT = 5_000;
/** How long a client may take to send its request, in ms. */
const REQUEST_TIMEOUT = 5_000;
/** A ping is answered if the last answer was so long ago, in ms: the most recent ping counts (RFC 6455, section 5.5.3). */
const PONG_INTERVAL = 100;

const NAMES = { 403: 'Forbidden', 404: 'Not Found' };

/** A page of another site may reach a loopback address by a name of its own: so the name counts, too. */
function refusalOf({ headers, url }: IncomingMessage, host: string, origins: readonly string[]): keyof typeof NAMES | null {
  if (headers.host !== host || (headers.origin !== undefined && !origins.includes(headers.origin))) return 403;
  return url === '/' ? null : 404;
}

function limitPings(webSocket: WebSocket): void {
  let answeredAt = Number.NEGATIVE_INFINITY;
  webSocket.on('ping', data => {
    if (performance.now() - answeredAt < PONG_INTERVAL) return;
    answeredAt = performance.now();
    webSocket.pong(data);
  });
}

const options = { perMessageDeflate: false, maxPayload: MAX_MESSAGE, closeTimeout: CLOSE_TIMEOUT };

export const webSockets: Network = {
  listen(at, accepted, origins = []) {
    const { hostname, port } = new URL(requireKind(at, 'ws').url);
    const server = createServer((_, response) => void response.writeHead(426, { connection: 'close' }).end());
    server.headersTimeout = REQUEST_TIMEOUT;
    server.requestTimeout = REQUEST_TIMEOUT;
    const upgrades = new WebSocketServer({
      ...options,
      ...{ noServer: true, clientTracking: false, autoPong: false, handleProtocols: () => false },
    });
    /** Connections that have not become a WebSocket yet, the oldest first. */
    const requesting = new Set<Socket>();
    server.on('connection', socket => {
      requesting.add(socket);
      socket.once('close', () => requesting.delete(socket));
      if (requesting.size > bounds.pendingConnections) for (const oldest of requesting) return void oldest.destroy();
    });
    server.on('upgrade', (request, duplex, head) => {
      const socket = duplex as Socket;
      requesting.delete(socket);
      // ws listens for errors only from the upgrade on.
      socket.on('error', () => socket.destroy());
      const status = refusalOf(request, host, origins);
      if (status !== null) return void socket.end(`HTTP/1.1 ${status} ${NAMES[status]}\r\nConnection: close\r\n\r\n`);
      upgrades.handleUpgrade(request, socket, head, webSocket => {
        limitPings(webSocket);
        try {
          accepted(webSocketStream(webSocket, peerOf(socket), failed => void socket.on('error', failed)));
        } catch {
          // An exception of the handler must not end the host.
          webSocket.terminate();
        }
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
  connect(at, connected) {
    const { url } = requireKind(at, 'ws');
    const webSocket = new WebSocket(url, options);
    webSocket.once('open', connected);
    return webSocketStream(webSocket, url, failed => void webSocket.once('upgrade', ({ socket }) => socket.on('error', failed)));
  },
};

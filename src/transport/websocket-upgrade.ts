// The host's end of a WebSocket, from a request that the listener has let pass.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { peerOf } from './socket.ts';
import type { ByteStream } from './stream.ts';
import { options, webSocketStream } from './websocket-stream.ts';

/** A ping is answered if the last answer was so long ago, in ms: the most recent ping counts (RFC 6455, section 5.5.3). */
const PONG_INTERVAL = 100;

function limitPings(webSocket: WebSocket): void {
  let answeredAt = Number.NEGATIVE_INFINITY;
  webSocket.on('ping', data => {
    if (performance.now() - answeredAt < PONG_INTERVAL) return;
    answeredAt = performance.now();
    webSocket.pong(data);
  });
}

const server = new WebSocketServer({
  ...options,
  ...{ noServer: true, clientTracking: false, autoPong: false, handleProtocols: () => false },
});

export function upgrade(request: IncomingMessage, socket: Socket, head: Buffer, accepted: (stream: ByteStream) => void): void {
  server.handleUpgrade(request, socket, head, webSocket => {
    limitPings(webSocket);
    try {
      accepted(webSocketStream(webSocket, peerOf(socket), failed => void socket.on('error', failed)));
    } catch {
      // An exception of the handler must not end the host.
      webSocket.terminate();
    }
  });
}

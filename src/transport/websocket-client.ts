// The agent's end of a WebSocket.
import { WebSocket } from 'ws';
import { requireKind } from './address.ts';
import type { Network } from './stream.ts';
import { options, webSocketStream } from './websocket-stream.ts';

export const connectWebSocket: Network['connect'] = (at, connected) => {
  const { url } = requireKind(at, 'ws');
  const webSocket = new WebSocket(url, options);
  webSocket.once('open', connected);
  return webSocketStream(webSocket, url, failed => void webSocket.once('upgrade', ({ socket }) => socket.on('error', failed)));
};

// Relays messages between an inspector and a page in a browser, as createInspectorServer() of @statelyai/inspect does, but only
// on this machine and only to clients that know the secret path.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const INSPECTOR = 'https://stately.ai';
/**
 * Messages that are kept for a page that is opened later. Messages that introduce actors are kept separately, because the page
 * shows nothing without them.
 */
const MAX_KEPT = 200;

const page = `<!doctype html>
<title>spearlet in the Stately Inspector</title>
<style>body { margin: 0 } iframe { width: 100vw; height: 100vh; border: 0 }</style>
<iframe src="${INSPECTOR}/inspect"></iframe>
<script>
  const { contentWindow } = document.querySelector('iframe');
  addEventListener('message', ({ origin, data }) => {
    if (origin !== '${INSPECTOR}' || data?.type !== '@statelyai.connected') return;
    const socket = new WebSocket(location.href.replace('http', 'ws'));
    socket.onmessage = ({ data }) => contentWindow.postMessage(JSON.parse(data), '${INSPECTOR}');
  });
</script>
`;

/** Opens a relay on 127.0.0.1. `page` is the address for a browser, `url` the one for inspectors and other clients. */
export async function openRelay(port = 0) {
  const path = `/${randomBytes(16).toString('hex')}`;
  const server = createServer((request, response) => {
    const known = request.url === path;
    response.writeHead(known ? 200 : 404, { 'content-type': 'text/html', 'referrer-policy': 'no-referrer' }).end(known ? page : '');
  });
  const sockets = new WebSocketServer({ server, path, maxPayload: 2 ** 20 });
  const actors = [];
  const recent = [];
  const keep = (kept, text) => {
    if (kept.push(text) > MAX_KEPT) kept.shift();
  };
  sockets.on('connection', socket => {
    for (const text of [...actors, ...recent]) socket.send(text);
    socket.on('message', data => {
      const text = data.toString();
      keep(text.includes('"type":"@xstate.actor"') ? actors : recent, text);
      for (const other of sockets.clients) if (other !== socket && other.readyState === other.OPEN) other.send(text);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const at = `127.0.0.1:${server.address().port}${path}`;
  return {
    page: `http://${at}`,
    url: `ws://${at}`,
    close() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

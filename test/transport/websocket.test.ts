// WebSockets as a network: what every network keeps, and what only HTTP does.
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { formatAddress } from '../../src/transport/address.ts';
import { webSockets } from '../../src/transport/websocket.ts';
import { connectWebSocket } from '../../src/transport/websocket-client.ts';
import { atEnd } from '../census/census.ts';
import { conforms } from './conformance.ts';
import { type Followed, follow } from './fabric.ts';

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise(setImmediate);
};

const ANY = { kind: 'ws', url: 'ws://127.0.0.1:0/' } as const;

conforms('WebSockets', {
  'on loopback': () => ({
    network: { ...webSockets, connect: connectWebSocket },
    plenty: 2 ** 24,
    until,
    at: () => ANY,
    halfCloses: false,
  }),
});

function listen(origins?: readonly string[]) {
  const arrived: Followed[] = [];
  const listener = webSockets.listen(ANY, stream => arrived.push(follow(stream)), origins);
  atEnd(() => void listener.close());
  const url = formatAddress(listener.address);
  return { arrived, url, host: new URL(url).host, port: Number(new URL(url).port) };
}

/** The status of the answer to an upgrade. */
async function upgrade(url: string, options: { host?: string; origin?: string; path?: string }): Promise<number | undefined> {
  const { hostname, port, host } = new URL(url);
  const asked = request({
    ...{ hostname, port, path: options.path ?? '/' },
    headers: {
      ...{ host: options.host ?? host, connection: 'Upgrade', upgrade: 'websocket' },
      ...{ 'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==', 'sec-websocket-version': '13' },
      ...(options.origin === undefined ? {} : { origin: options.origin }),
    },
  });
  asked.end();
  return new Promise((resolve, reject) => {
    asked.once('upgrade', ({ statusCode }, socket) => {
      socket.destroy();
      resolve(statusCode);
    });
    asked.once('response', response => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.once('error', reject);
  });
}

test('a page may connect whose origin was named, and no other; a program, which has none, may', async () => {
  const { url } = listen(['http://localhost:5173']);
  const of = (origin?: string) => upgrade(url, origin === undefined ? {} : { origin });
  expect(await Promise.all([of(), of('http://localhost:5173')])).toEqual([101, 101]);
  expect(await Promise.all(['http://localhost', 'https://localhost:5173', 'null', ''].map(of))).toEqual([403, 403, 403, 403]);
  expect(await upgrade(listen().url, { origin: 'http://localhost:5173' })).toBe(403);
});

test('a request to another name, another port, or with anything in its URL is refused', async () => {
  const { url, port } = listen();
  const hosts = [`localhost:${port}`, `evil.example:${port}`, '127.0.0.1', `127.0.0.1:${port + 1}`];
  expect(await Promise.all(hosts.map(host => upgrade(url, { host })))).toEqual([403, 403, 403, 403]);
  expect(await Promise.all(['/agents', '/?token=secret'].map(path => upgrade(url, { path })))).toEqual([404, 404]);
});

test('a request that is no upgrade is told to be one', async () => {
  expect((await fetch(listen().url.replace('ws:', 'http:'))).status).toBe(426);
});

async function open(url: string): Promise<WebSocket> {
  const webSocket = new WebSocket(url);
  webSocket.on('error', () => {});
  await once(webSocket, 'open');
  atEnd(() => webSocket.terminate());
  return webSocket;
}

test('nothing is compressed, although the other end offers it', async () => {
  const webSocket = await open(listen().url);
  expect(webSocket.extensions).toBe('');
});

test('messages are joined and cut anywhere: only the order of their bytes counts', async () => {
  const { url, arrived } = listen();
  const webSocket = await open(url);
  for (const part of ['a', '', 'bcd', 'e']) webSocket.send(Buffer.from(part));
  await until(() => arrived[0]?.bytes === 5);
  expect(arrived[0]!.all().toString()).toBe('abcde');
});

test('a text message ends the connection as a protocol error, and none of it is read', async () => {
  const { url, arrived } = listen();
  const webSocket = await open(url);
  webSocket.send('text');
  const [code] = await once(webSocket, 'close');
  await until(() => arrived[0]?.end !== null);
  expect([code, arrived[0]!.end, arrived[0]!.bytes]).toEqual([
    1003,
    { orderly: false, message: 'a text message, but the wire is binary', isViolation: true },
    0,
  ]);
});

test('a message of more than 1 MiB ends the connection before it is read', async () => {
  const { url, arrived } = listen();
  const webSocket = await open(url);
  webSocket.send(Buffer.alloc(2 ** 20));
  await until(() => arrived[0]?.bytes === 2 ** 20);
  webSocket.send(Buffer.alloc(2 ** 20 + 1));
  await until(() => arrived[0]?.end !== null);
  expect(arrived[0]!.end).toEqual({ orderly: false, message: expect.stringContaining('Max payload size exceeded'), isViolation: true });
  expect(arrived[0]!.bytes).toBe(2 ** 20);
});

test('of many pings at once only the first is answered', async () => {
  const { url, arrived } = listen();
  const webSocket = await open(url);
  let pongs = 0;
  webSocket.on('pong', () => (pongs += 1));
  for (let n = 0; n < 50; n += 1) webSocket.ping(String(n));
  webSocket.send(Buffer.from('behind'));
  await until(() => arrived[0]?.bytes === 6);
  arrived[0]!.stream.write([Buffer.from('behind')]);
  await once(webSocket, 'message');
  // 50 pings take less than 100 ms, except on a machine that stands still.
  expect(pongs).toBeGreaterThan(0);
  expect(pongs).toBeLessThan(10);
});

test('of connections that send no request the oldest are ended, and a listener that closes ends them all', async () => {
  const { url, port } = listen();
  const idle: Socket[] = [];
  let ended = 0;
  for (let n = 0; n < 6; n += 1) {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('close', () => (ended += 1)).on('error', () => {});
    socket.resume();
    atEnd(() => socket.destroy());
    await once(socket, 'connect');
    idle.push(socket);
  }
  await until(() => ended === 2);
  expect(idle.map(({ closed }) => closed)).toEqual([true, true, false, false, false, false]);
  expect(await upgrade(url, {})).toBe(101);
});

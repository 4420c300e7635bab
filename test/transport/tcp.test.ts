// TCP as a stream: written frames arrive in order, and the end is reported.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { formatAddress, requireTcp } from '../../src/transport/address.ts';
import type { ByteStream, Listener } from '../../src/transport/stream.ts';
import { tcp } from '../../src/transport/tcp.ts';

import { atEnd } from '../census/census.ts';

const portOf = ({ address }: Listener): number => requireTcp(address).port;

/** A listener of ours, and a stream that has come in. */
async function pair() {
  let arrived: (wire: ByteStream) => void = () => {};
  const arrival = new Promise<ByteStream>(resolve => {
    arrived = resolve;
  });
  const listening = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, wire => arrived(wire));
  atEnd(() => listening.close());
  const dialled = tcp.connect({ kind: 'tcp', host: '127.0.0.1', port: portOf(listening) }, () => {});
  atEnd(() => dialled.close());
  const accepted = await arrival;
  atEnd(() => accepted.close());
  return { listening, dialled, accepted };
}
function follow(wire: ByteStream) {
  const chunks: Buffer[] = [];
  let wake = (): void => {};
  let drained = (): void => {};
  const drain = new Promise<void>(resolve => {
    drained = resolve;
  });
  const end = new Promise<{ orderly: boolean; message: string }>(resolve => {
    wire.open({
      data(chunk) {
        chunks.push(chunk);
        wake();
      },
      drained: () => drained(),
      closed: resolve,
    });
  });
  const all = () => Buffer.concat(chunks);
  const arrives = async (bytes: number): Promise<Buffer> => {
    while (all().length < bytes) await new Promise<void>(resolve => (wake = resolve));
    return all();
  };
  return { end, arrives, drain };
}

test('frames arrive in order, one alone, several small ones, and many large ones', async () => {
  const { listening, dialled, accepted } = await pair();
  follow(dialled);
  const { arrives } = follow(accepted);
  expect([formatAddress(listening.address), dialled.peer]).toEqual([`127.0.0.1:${portOf(listening)}`, `127.0.0.1:${portOf(listening)}`]);
  expect(accepted.peer).toMatch(/^127\.0\.0\.1:\d+$/);
  const large = Array.from({ length: 5 }, (_, n) => Buffer.alloc(40_000, n));
  dialled.write([Buffer.from('a')]);
  dialled.write([Buffer.from('b'), Buffer.from('cd')]);
  dialled.write(large);
  expect((await arrives(200_004)).equals(Buffer.concat([Buffer.from('abcd'), ...large]))).toBe(true);
});

test('a full stream returns false, and reports when it has drained', async () => {
  const { dialled, accepted } = await pair();
  const { drain } = follow(dialled);
  accepted.pause();
  let accepts = true;
  for (let i = 0; i < 200 && accepts; i += 1) accepts = dialled.write([Buffer.alloc(2 ** 20)]);
  expect(accepts).toBe(false);
  expect(dialled.pending).toBeGreaterThan(0);
  follow(accepted);
  accepted.resume();
  await drain;
  expect(dialled.pending).toBe(0);
});

test('end() after all written frames is orderly at both ends', async () => {
  const { dialled, accepted } = await pair();
  const [mine, theirs] = [follow(dialled), follow(accepted)];
  dialled.write([Buffer.from('last words')]);
  dialled.end();
  expect(String(await theirs.arrives(10))).toBe('last words');
  expect([await theirs.end, await mine.end]).toEqual([
    { orderly: true, message: 'closed by the other end' },
    { orderly: true, message: 'closed by the other end' },
  ]);
  expect(dialled.write([Buffer.from('x')])).toBe(false);
});

test('close() is reported as closed, and a reset with its reason', async () => {
  const closing = await pair();
  const { end } = follow(closing.dialled);
  closing.dialled.close();
  expect(await end).toEqual({ orderly: false, message: 'closed' });

  const server = createServer((socket: Socket) => socket.resetAndDestroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise(closed => server.close(closed)));
  const { port } = server.address() as { port: number };
  expect(await follow(tcp.connect({ kind: 'tcp', host: '127.0.0.1', port }, () => {})).end).toMatchObject({
    orderly: false,
    message: expect.stringContaining('ECONNRESET'),
  });
});

test('an address without a listener ends the stream, and is never connected', async () => {
  const listening = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, () => {});
  await listening.close();
  let connected = false;
  const { end } = follow(tcp.connect({ kind: 'tcp', host: '127.0.0.1', port: portOf(listening) }, () => void (connected = true)));
  expect(await end).toMatchObject({ orderly: false, message: expect.stringContaining('ECONNREFUSED') });
  expect(connected).toBe(false);
});

test('a taken port throws at once, with the code of the system', async () => {
  const listening = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, () => {});
  expect(() => tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: portOf(listening) }, () => {})).toThrow(
    expect.objectContaining({ code: 'EADDRINUSE' }),
  );
  await listening.close();
  const again = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: portOf(listening) }, () => {});
  expect(portOf(again)).toBe(portOf(listening));
  await again.close();
});

test('an IPv6 listener has its address in brackets', async () => {
  const listening = tcp.listen({ kind: 'tcp', host: '::1', port: 0 }, () => {});
  expect(formatAddress(listening.address)).toBe(`[::1]:${portOf(listening)}`);
  await listening.close();
});

test('a listener whose handler throws closes that stream, and goes on', async () => {
  let count = 0;
  const listening = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, wire => {
    count += 1;
    if (count === 1) throw new Error('full');
    wire.open({ data() {}, drained() {}, closed() {} });
    wire.end();
  });
  atEnd(() => listening.close());
  const dial = () => follow(tcp.connect({ kind: 'tcp', host: '127.0.0.1', port: portOf(listening) }, () => {})).end;
  await dial();
  expect(await dial()).toEqual({ orderly: true, message: 'closed by the other end' });
});

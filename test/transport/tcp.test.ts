// TCP as a stream: what every network keeps, and what only real sockets do.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { formatAddress, requireKind } from '../../src/transport/address.ts';
import { tcp } from '../../src/transport/tcp.ts';
import { atEnd } from '../census/census.ts';
import { conforms } from './conformance.ts';
import { follow } from './fabric.ts';

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise(setImmediate);
};

conforms('tcp', { 'on loopback': () => ({ network: tcp, plenty: 2 ** 24, until }) });

test('a reset is reported with its reason', async () => {
  const server = createServer((socket: Socket) => socket.resetAndDestroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => new Promise(closed => server.close(closed)));
  const { port } = server.address() as { port: number };
  const stream = follow(tcp.connect({ kind: 'tcp', host: '127.0.0.1', port }, () => {}));
  await until(() => stream.end !== null);
  expect(stream.end).toMatchObject({ orderly: false, message: expect.stringContaining('ECONNRESET') });
});

test('an IPv6 listener has its address in brackets', async () => {
  const listening = tcp.listen({ kind: 'tcp', host: '::1', port: 0 }, () => {});
  expect(formatAddress(listening.address)).toBe(`[::1]:${requireKind(listening.address, 'tcp').port}`);
  await listening.close();
});

test('an address that cannot be bound is refused with the code of the system', () => {
  // Of a block for documentation: no interface has it.
  expect(() => tcp.listen({ kind: 'tcp', host: '192.0.2.1', port: 0 }, () => {})).toThrow(
    expect.objectContaining({ code: 'EADDRNOTAVAIL', message: 'listen EADDRNOTAVAIL: 192.0.2.1:0' }),
  );
});

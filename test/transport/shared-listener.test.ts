// The shared listener: opened by its first user, closed by its last, and streams without a handler are closed.
import { expect, test } from 'vitest';
import { createSharedListener } from '../../src/transport/shared-listener.ts';
import type { ByteStream, Listener } from '../../src/transport/stream.ts';

function openPorts() {
  const opened: { accepted: (stream: ByteStream) => void; closes: number }[] = [];
  const listen = (accepted: (stream: ByteStream) => void): Listener => {
    const one = { accepted, closes: 0 };
    opened.push(one);
    return {
      address: { kind: 'tcp', host: '127.0.0.1', port: 9_100 },
      close() {
        one.closes += 1;
        return Promise.resolve();
      },
    };
  };
  return { opened, shared: createSharedListener({ listen }) };
}

function openStream() {
  const calls: string[] = [];
  return { calls, stream: { close: () => calls.push('close') } as never as ByteStream };
}

test('the first user opens it, the last one closes it, and the next one opens it anew', async () => {
  const { opened, shared } = openPorts();
  expect(opened).toHaveLength(0);
  const [a, b] = [shared.acquire(), shared.acquire()];
  expect(opened).toHaveLength(1);
  expect(a.address).toEqual(b.address);
  await a.close();
  await a.close();
  expect(opened[0]!.closes).toBe(0);
  await b.close();
  expect(opened[0]!.closes).toBe(1);
  await shared.acquire().close();
  expect(opened.map(({ closes }) => closes)).toEqual([1, 1]);
});

test('a stream goes to the handler; without a handler it is closed', () => {
  const { opened, shared } = openPorts();
  shared.acquire();
  const early = openStream();
  opened[0]!.accepted(early.stream);
  expect(early.calls).toEqual(['close']);
  const handled: ByteStream[] = [];
  const remove = shared.onConnection(stream => handled.push(stream));
  const [first, second] = [openStream(), openStream()];
  opened[0]!.accepted(first.stream);
  remove();
  opened[0]!.accepted(second.stream);
  expect(handled).toEqual([first.stream]);
  expect([first.calls, second.calls]).toEqual([[], ['close']]);
});

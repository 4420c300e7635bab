// Which port comes next, on a network that a test plays.
import { expect, test } from 'vitest';
import type { PortRange } from '../../src/options/spearlet.ts';
import { formatAddress, requireKind } from '../../src/transport/address.ts';
import { createPorts } from '../../src/transport/ports.ts';
import type { Listener, Network } from '../../src/transport/stream.ts';

const portOf = ({ address }: Listener): number => requireKind(address, 'tcp').port;

function open(range: PortRange | 0) {
  const taken = new Map<number, string>();
  const tried: number[] = [];
  const network = {
    listen(at) {
      const { port } = requireKind(at, 'tcp');
      tried.push(port);
      const code = taken.get(port);
      if (code !== undefined) throw Object.assign(new Error(`listen ${code}`), { code });
      if (port !== 0) taken.set(port, 'EADDRINUSE');
      return {
        address: at,
        async close() {
          taken.delete(port);
        },
      };
    },
  } as Pick<Network, 'listen'> as Network;
  const ports = createPorts(network, 'here', range);
  return { tried, taken, listen: () => ports.listen(() => {}) };
}

test('ports that were never used come first, in order; then released ones, the oldest first', async () => {
  const { listen } = open({ from: 10, to: 12 });
  const [first, second] = [listen(), listen()];
  await second.close();
  await second.close();
  await first.close();
  expect([formatAddress(first.address), portOf(first), portOf(second)]).toEqual(['here:10', 10, 11]);
  const third = listen();
  expect([portOf(third), portOf(listen()), portOf(listen())]).toEqual([12, 11, 10]);
  expect(listen).toThrow(expect.objectContaining({ code: 'PORTS_EXHAUSTED' }));
  await third.close();
  expect(portOf(listen())).toBe(12);
});

test('ports that other programs hold are skipped, and tried again when no other is left', () => {
  const { listen, taken, tried } = open({ from: 10, to: 13 });
  taken.set(10, 'EADDRINUSE').set(11, 'EACCES');
  expect([portOf(listen()), portOf(listen()), tried]).toEqual([12, 13, [10, 11, 12, 13]]);
  expect(listen).toThrow(
    expect.objectContaining({
      code: 'PORTS_EXHAUSTED',
      message: 'no free port in 10..13: 2 are held by other programs, the rest by instances',
      hint: expect.stringContaining('ports'),
    }),
  );
  taken.delete(11);
  expect(portOf(listen())).toBe(11);
  taken.delete(10);
  expect(portOf(listen())).toBe(10);
  expect(listen).toThrow('0 are held by other programs');
});

test('a port that could not be bound waits behind those that were released later', async () => {
  const { listen, taken } = open({ from: 10, to: 12 });
  taken.set(10, 'EADDRINUSE');
  const [eleven, twelve] = [listen(), listen()];
  await eleven.close();
  await twelve.close();
  expect(portOf(listen())).toBe(11);
  taken.delete(10);
  expect([portOf(listen()), portOf(listen())]).toEqual([12, 10]);
});

test('any other failure throws at once, and so does every failure where the system chooses', () => {
  const ranged = open({ from: 10, to: 11 });
  ranged.taken.set(10, 'EADDRNOTAVAIL');
  expect(ranged.listen).toThrow(
    expect.objectContaining({ code: 'LISTEN_FAILED', message: 'the listener could not be opened: listen EADDRNOTAVAIL' }),
  );
  expect(ranged.tried).toEqual([10]);

  const chosen = open(0);
  expect([portOf(chosen.listen()), portOf(chosen.listen()), chosen.tried]).toEqual([0, 0, [0, 0]]);
  chosen.taken.set(0, 'EADDRINUSE');
  expect(chosen.listen).toThrow(expect.objectContaining({ code: 'LISTEN_FAILED' }));
});

// Addresses of every kind: read from text and written as text, and refused by transports of another kind.
import { expect, test } from 'vitest';
import { readHostEndpoint } from '../../src/agent/environment.ts';
import { type Address, formatAddress, parseAddress } from '../../src/transport/address.ts';
import { createConnecting, createListening } from '../../src/transport/network.ts';
import { tcp } from '../../src/transport/tcp.ts';

const cases: [text: string, address: Address][] = [
  ['127.0.0.1:9100', { kind: 'tcp', host: '127.0.0.1', port: 9_100 }],
  ['localhost:65535', { kind: 'tcp', host: 'localhost', port: 65_535 }],
  ['[::1]:80', { kind: 'tcp', host: '::1', port: 80 }],
  ['unix:80', { kind: 'tcp', host: 'unix', port: 80 }],
  ['unix:/run/spearlet/host.sock', { kind: 'unix', path: '/run/spearlet/host.sock' }],
  ['unix:/with a space: and more', { kind: 'unix', path: '/with a space: and more' }],
  ['fd:3', { kind: 'fd', descriptor: 3 }],
  ['ws://127.0.0.1:9100/agents', { kind: 'ws', url: 'ws://127.0.0.1:9100/agents' }],
  ['wss://example.org', { kind: 'ws', url: 'wss://example.org' }],
];
const others = cases.filter(([, { kind }]) => kind !== 'tcp');

test.each(cases)('%s is read, and written as it was', (text, address) => {
  expect(parseAddress(text)).toEqual(address);
  expect(formatAddress(address)).toBe(text);
});

test.each(
  ['', 'host', ':80', 'host:', 'host:65536', 'host:-1', '::1:80', '[::1]', 'unix:', 'unix:relative', 'unix:/\0', 'fd:', 'fd:-1'].concat([
    'fd:three',
    'ws://',
    'ws:///path',
    'http://host:80/',
    'ws://host:99999/',
  ]),
)('%j is refused, and the error names what is accepted', text => {
  expect(() => parseAddress(text, 'SPEARLET_ADDR')).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTIONS',
      message: expect.stringMatching(/^SPEARLET_ADDR is '.*', expected host:port, \[ipv6\]:port, unix:\/path, fd:number or ws:/s),
    }),
  );
});

test.each(others)('%s is read by the agent, and refused by a transport of another kind', (text, address) => {
  expect(readHostEndpoint({ SPEARLET_ADDR: text, SPEARLET_TOKEN: 't', SPEARLET_INSTANCE_ID: 'i' }).address).toEqual(address);
  const refused = expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(`'${address.kind}'`) });
  expect(() => tcp.listen(address, stream => stream.close())).toThrow(refused);
  expect(() => tcp.connect(address, () => {})).toThrow(refused);
  const network = { ...createListening({ tcp }), ...createConnecting({ tcp }) };
  const unknown = expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(`'${text}'`) });
  expect(() => network.listen(address, stream => stream.close())).toThrow(unknown);
  expect(() => network.connect(address, () => {})).toThrow(unknown);
});

test.each(['127.0.0.1', '::1'])('a listener on %s tells its address so that an agent can connect', async host => {
  const accepted: string[] = [];
  const listener = tcp.listen({ kind: 'tcp', host, port: 0 }, stream => {
    accepted.push(stream.peer);
    stream.close();
  });
  const text = formatAddress(listener.address);
  expect(listener.address).toEqual({ kind: 'tcp', host, port: expect.any(Number) });
  const told = readHostEndpoint({ SPEARLET_ADDR: text, SPEARLET_TOKEN: 't', SPEARLET_INSTANCE_ID: 'i' });
  const stream = tcp.connect(told.address, () => {});
  await new Promise<void>(resolve => stream.open({ data() {}, drained() {}, closed: () => resolve() }));
  expect(accepted).toHaveLength(1);
  await listener.close();
});

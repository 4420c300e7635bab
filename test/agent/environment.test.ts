// What a host tells its agent, and what of it the agent's children are told.
import { expect, test } from 'vitest';
import { environmentOfChild, readHostEndpoint } from '../../src/agent/environment.ts';
import { agentEnvironment } from '../../src/instance/agent-environment.ts';
import { spearletSchema } from '../../src/option-schemas.ts';
import { parse } from '../../src/parse.ts';
import { requireKind } from '../../src/transport/address.ts';

const full = { SPEARLET_ADDR: '127.0.0.1:9100', SPEARLET_TOKEN: 'secret', SPEARLET_INSTANCE_ID: 'me' };

test('the address is a name, an IPv4 or a bracketed IPv6 address, and a port', () => {
  const read = (address: string) => {
    const { host, port } = requireKind(readHostEndpoint({ ...full, SPEARLET_ADDR: address }).address, 'tcp');
    return [host, port];
  };
  expect(read('127.0.0.1:9100')).toEqual(['127.0.0.1', 9_100]);
  expect(read('localhost:1')).toEqual(['localhost', 1]);
  expect(read('[::1]:65535')).toEqual(['::1', 65_535]);
  for (const wrong of ['127.0.0.1', ':9100', '127.0.0.1:', '127.0.0.1:65536', '::1:9100', '127.0.0.1:9100x', '127.0.0.1:-1'])
    expect(() => read(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(wrong) }));
});

test('whatever is missing or empty is named, with what to do', () => {
  for (const name of Object.keys(full)) {
    for (const value of [undefined, '']) {
      const missing = expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining(`${name} is not set`),
        hint: expect.stringContaining('spearlet'),
      });
      expect(() => readHostEndpoint({ ...full, [name]: value })).toThrow(missing);
    }
  }
});

test('the versions are those that both sides speak, as whole numbers', () => {
  const versions = (stated?: string) => readHostEndpoint({ ...full, SPEARLET_PROTOCOLS: stated }).protocols;
  expect([versions(), versions('1'), versions('1,2'), versions('7,2')]).toEqual([[1], [1], [1, 2], [2]]);
  for (const stated of ['12', '3', '', 'x']) expect(() => versions(stated)).toThrow(expect.objectContaining({ code: 'VERSION_MISMATCH' }));
});

test('the bound on frames is what the host says, and 32 MiB where it says nothing', () => {
  const bound = (value?: string) => readHostEndpoint({ ...full, SPEARLET_MAX_FRAME_BYTES: value }).maxFrameBytes;
  expect([bound('1000'), bound('1'), bound(), bound('')]).toEqual([1_000, 1, 33_554_432, 33_554_432]);
  for (const wrong of ['many', '0', '-1', '1.5', '1e300'])
    expect(() => bound(wrong)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTIONS', message: `SPEARLET_MAX_FRAME_BYTES is '${wrong}', expected a number of bytes` }),
    );
  expect(readHostEndpoint(full)).toMatchObject({ token: 'secret', instanceId: 'me' });
});

test('the agent tries to reach its host for 30 s, or as long as the host waits for it', () => {
  const options = parse(spearletSchema, { reconnectWindow: 90_000 }, 'options');
  const told = agentEnvironment({ address: full.SPEARLET_ADDR, credentials: { token: 'secret' } } as never, options);
  expect(readHostEndpoint({ ...told, SPEARLET_INSTANCE_ID: 'me' }).giveUp).toBe(90_000);
  const giveUp = (window?: string) => readHostEndpoint({ ...full, SPEARLET_RECONNECT_MS: window }).giveUp;
  expect([giveUp(), giveUp(''), giveUp('x'), giveUp('10000'), giveUp('90000')]).toEqual([30_000, 30_000, 30_000, 30_000, 90_000]);
});

test('a child gets everything but the token, and the ids of its agent whatever it was asked for', () => {
  expect({ ...environmentOfChild({ ...full, A: '1', B: '1' }, { B: '2', SPEARLET_INSTANCE_ID: 'other', SPEARLET_TOKEN: 'mine' }) }).toEqual(
    {
      SPEARLET_ADDR: full.SPEARLET_ADDR,
      SPEARLET_INSTANCE_ID: 'me',
      A: '1',
      B: '2',
    },
  );
  expect({ ...environmentOfChild({ A: '1' }, { SPEARLET_INSTANCE_ID: 'asked' }) }).toEqual({ A: '1' });
});

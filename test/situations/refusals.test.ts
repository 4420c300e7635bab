// Connections that are refused before they have shown whose they are: told at once, counted, and told again when the
// start that they belong to comes to nothing. A stranger can fail no start and fill no log.
import { describe, expect, test } from 'vitest';
import { authRequest, dial, failureOf, type HandPeer, joinAs, openSpearlet, startHollow, type TestSpearlet, until } from './world.ts';

const closings = (spearlet: TestSpearlet) => spearlet.events.filter(event => event.type === 'connection.closed');
const warnings = (spearlet: TestSpearlet) =>
  spearlet.log.filter(line => line.includes('connection closed') && line.includes('"level":"warn"'));

const faults: [string, string, string, (peer: HandPeer, environment: Record<string, string>) => void][] = [
  [
    'speaks before it has authenticated',
    'PROTOCOL_ERROR',
    'expected an AuthRequest, found Heartbeat',
    peer => peer.send('Heartbeat', 1, ''),
  ],
  ['sends no frame at all', 'FRAME_TOO_LARGE', 'the bound is 16384', peer => peer.socket.write('GET / HTTP/1.1\r\n\r\n')],
  [
    'shows a wrong token',
    'AUTH_REFUSED',
    'token',
    (peer, environment) => peer.send('AuthRequest', 1, authRequest(environment, { token: 'x' })),
  ],
  ['says nothing', 'AUTH_TIMEOUT', 'did not authenticate within authTimeout', () => {}],
];

describe.each(['perInstance', 'shared'] as const)('at a listener that is %s', listener => {
  test.each(faults)('a connection that %s is reported at once, and in the error of the start', async (_, code, reason, misbehave) => {
    const spearlet = openSpearlet({ listener, authTimeout: code === 'AUTH_TIMEOUT' ? 50 : 100_000 });
    const { ready, environment, instance } = await startHollow(spearlet);
    let settled = false;
    void ready.catch(() => {}).finally(() => (settled = true));
    for (let count = 1; count <= 2; count += 1) {
      const stranger = await dial(environment.SPEARLET_ADDR!);
      misbehave(stranger, environment);
      await stranger.closed;
      await until(() => closings(spearlet).length === count);
    }
    expect(closings(spearlet)).toMatchObject([{ code }, { code }]);
    expect(warnings(spearlet)).toMatchObject([expect.stringContaining(code), expect.stringContaining(code)]);
    const explanation = spearlet.explain(instance.id)!;
    expect(explanation.connections).toEqual([]);
    expect(explanation.refusals).toMatchObject({ count: 2, last: [{ code }, { code, message: expect.stringContaining(reason) }] });
    expect(String(explanation)).toMatch(
      new RegExp(`2 connections were refused, the last of them:\\n.*\\n.*(127\\.0\\.0\\.1|unix:).*${code}.*${reason}`),
    );
    expect(settled).toBe(false);
    process.kill(instance.pid!, 'SIGKILL');
    const error = await failureOf(ready);
    expect(error.code).toBe('EXITED_BEFORE_READY');
    expect(error.message).toMatch(new RegExp(`2 connections were refused, the last: ${code} .*${reason}`));
    expect(spearlet.explain(instance.id)!.refusals.count).toBe(2);
  });

  test('refused connections cause only a few log lines, and all of them are counted', async () => {
    const spearlet = openSpearlet({ listener });
    const { ready, environment, instance } = await startHollow(spearlet);
    for (let count = 0; count < 30; count += 1) {
      const stranger = await dial(environment.SPEARLET_ADDR!);
      stranger.send('Heartbeat', count, '');
      await stranger.closed;
    }
    await until(() => closings(spearlet).length === 30);
    expect(warnings(spearlet).length).toBeGreaterThan(0);
    expect(warnings(spearlet).length).toBeLessThanOrEqual(5);
    expect(spearlet.explain(instance.id)!.refusals).toMatchObject({ count: 30, last: { length: 5 } });
    const agent = await joinAs(environment);
    expect((await ready).id).toBe(instance.id);
    agent.close();
  });
});

test('CONNECT_TIMEOUT says why connections were refused', async () => {
  const spearlet = openSpearlet({ connectTimeout: 3_000 });
  const expected = spearlet.expect({ artifactId: 'old-agent' });
  const agent = await dial(expected.environment.SPEARLET_ADDR);
  agent.send('Heartbeat', 1, '');
  expect(await failureOf(expected.ready)).toMatchObject({
    code: 'CONNECT_TIMEOUT',
    message: expect.stringContaining('1 connection was refused: PROTOCOL_ERROR expected an AuthRequest, found Heartbeat'),
  });
});

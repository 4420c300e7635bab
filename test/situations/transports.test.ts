// What an instance promises over each transport but TCP, which every other test uses: connect, cut, flood, stop, impostor.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { atEnd } from '../census/census.ts';
import { agentFile, authRequest, dial, everyday, failureOf, joinAs, openSpearlet, seen, startHollow } from './world.ts';

const reconnecting = { ...everyday, args: [agentFile('reconnecting.js')] };

/** What SPEARLET_ADDR looks like, and whether an agent can connect again. */
const transports = [['unix', /^unix:\/.*\/sockets\/[^/]+$/, true]] as const;

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A host whose Unix sockets are in a folder of their own. */
const open = (options = {}) => openSpearlet({ stateDir: join(newFolder(), 'state'), ...options });

describe.each(transports)('over %s', (transport, form, reconnects) => {
  test('an agent connects to the address that it is told, and answers short and large requests in either version of the wire', async () => {
    for (const protocols of [[1], [1, 2]] as (1 | 2)[][]) {
      const spearlet = open({ protocols });
      const instance = await spearlet.start({ ...everyday, transport });
      expect(instance.address).toMatch(form);
      expect((await instance.execute({ command: 'environment', args: ['SPEARLET_ADDR', 'SPEARLET_TOKEN'] }).result).output).toBe(
        JSON.stringify([instance.address, null]),
      );
      expect((await instance.execute({ command: 'echo', args: ['hello'] }).result).output).toBe('hello');
      const large = 'é'.repeat(500_000);
      expect((await instance.execute({ command: 'echo', args: [large] }).result).output).toBe(large);
      await spearlet.stop();
    }
  });

  test.runIf(reconnects)('an agent whose connection is cut reconnects, and goes on with its execution', async () => {
    const spearlet = open();
    const instance = await spearlet.start({ ...reconnecting, transport });
    expect((await instance.execute({ command: 'after-reconnect' }).result).output).toBe('survived');
    expect((await instance.execute({ command: 'write-offline' }, { collect: true }).result).output).toBe(
      'said while offlinedone while offline',
    );
    expect([spearlet.stats().instances[0]!.reconnects, instance.incarnation]).toEqual([2, 1]);
  });

  test('a flood of output arrives whole at a reader that takes its time, and other executions go on meanwhile', async () => {
    const spearlet = open();
    const instance = await spearlet.start({ ...everyday, transport });
    let bytes = 0;
    let echoes = 0;
    for await (const { output } of instance.execute({ command: 'flood', args: ['200', '60000'] })) {
      bytes += output?.length ?? 0;
      if (echoes < 20) echoes += Number((await instance.execute({ command: 'echo', args: ['x'] }).result).output === 'x');
    }
    expect([bytes, echoes]).toEqual([12_000_000, 20]);
  });

  test('a stop asks the agent, which ends by itself, and nothing is left to connect to', async () => {
    const spearlet = open();
    const instance = await spearlet.start({ ...everyday, transport });
    const address = parseAddress(instance.address!);
    expect(await instance.stop()).toMatchObject({ reason: 'stopped', code: 0, signal: null, stopStage: 'asked', left: [] });
    await spearlet.stop();
    if (address.kind === 'unix') expect(existsSync(address.path)).toBe(false);
  });

  test.runIf(reconnects)('an impostor is refused, also after the agent has connected, and the agent notices nothing', async () => {
    const spearlet = open();
    const { environment, ready } = await startHollow(spearlet, { transport });
    const refused = async (): Promise<void> => {
      const impostor = await dial(environment.SPEARLET_ADDR!);
      impostor.send('AuthRequest', 1, authRequest(environment, { token: 'wrong' }));
      expect(v1.decodeAuthResponse((await impostor.next('AuthResponse')).payload).success).toBe(false);
      await impostor.closed;
    };
    await refused();
    const agent = await joinAs(environment);
    const instance = await ready;
    await refused();
    expect([instance.state, agent.socket.destroyed]).toEqual(['ready', false]);
    agent.close();
  });

  test('a program with a wrong token is not let in', async () => {
    const spearlet = open({ connectTimeout: 1_500, protocols: [1] });
    const error = await failureOf(spearlet.start({ ...everyday, args: [agentFile('impostor.js')], transport }));
    expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT', refused: 1, stderr: 'AUTH_REFUSED' });
  });
});

test('unix: a path that is too long fails the start before anything is spawned', async () => {
  const stateDir = join(newFolder(), 'x'.repeat(100));
  const spearlet = openSpearlet({ stateDir });
  const error = await failureOf(spearlet.start({ ...everyday, transport: 'unix' }));
  expect(error).toMatchObject({
    code: 'LISTEN_FAILED',
    message: expect.stringContaining(stateDir),
    hint: expect.stringContaining('stateDir'),
  });
  expect(spearlet.events.filter(({ type }) => type === 'instance.spawned')).toEqual([]);
});

test('unix: with a shared listener the instance has a socket of its own, and expect() may use one', async () => {
  const spearlet = open({ listener: 'shared' });
  const expected = spearlet.expect({ artifactId: 'expected', transport: 'unix' });
  const agent = await joinAs(expected.environment as never);
  const instance = await expected.ready;
  const other = await spearlet.start({ ...everyday });
  expect([instance.address!.startsWith('unix:'), other.address!.startsWith('127.0.0.1:')]).toEqual([true, true]);
  agent.close();
  await seen(instance.state$, state => state === 'reconnecting');
});

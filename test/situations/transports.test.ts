// What an instance promises over each transport but TCP, which every other test uses: connect, cut, flood, stop, impostor.

import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { serve } from '../../src/agent/index.ts';
import { instanceSpecFromConfig } from '../../src/index.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { atEnd } from '../census/census.ts';
import { agentFile, authRequest, commandAgent, dial, everyday, failureOf, joinAs, openSpearlet, seen, startHollow } from './world.ts';

const reconnecting = { ...everyday, args: [agentFile('reconnecting.js')] };

/** What SPEARLET_ADDR looks like, and whether an agent can connect again. */
const transports = [
  ['unix', /^unix:\/.*\/sockets\/[^/]+$/, true],
  ['ws', /^ws:\/\/127\.0\.0\.1:\d+\/$/, true],
  ['fd', /^fd:3$/, false],
] as const;

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
    if (address.kind !== 'ws') return;
    const [error] = await once(connect(Number(new URL(address.url).port), '127.0.0.1'), 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
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
    const spearlet = open({ protocols: [1] });
    const starting = failureOf(spearlet.start({ ...everyday, args: [agentFile('impostor.js')], transport }));
    const closed = await seen(spearlet.events$, event => event.type === 'connection.closed');
    expect(closed).toMatchObject({ code: 'AUTH_REFUSED' });
    await spearlet.stop({ grace: 0 });
    expect(await starting).toMatchObject({ code: 'INSTANCE_STOPPED' });
  });
});

describe('over fd', () => {
  test('a lost link is the end of the incarnation: what was in flight is unknown, and the next incarnation has a socket of its own', async () => {
    const spearlet = open({ restart: { backoff: { min: 1, max: 1 } } });
    const instance = await spearlet.start({ ...reconnecting, transport: 'fd', restart: 'permanent' });
    const lost = instance.execute({ command: 'after-reconnect' });
    const later = failureOf(lost.result);
    expect(await later).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await seen(instance.state$, state => state === 'ready');
    expect([instance.incarnation, spearlet.stats().instances[0]!.reconnects]).toEqual([2, 0]);
    const exits = spearlet.events.flatMap(event => (event.type === 'instance.exited' ? event.report.reason : []));
    // The SDK ends its program by itself when the link is gone: what is seen first is a matter of time.
    expect(['link', 'crashed', 'completed']).toContain(exits[0]);
    expect(exits.length).toBe(1);
  });

  test('an agent that lives on without its link is ended', async () => {
    const spearlet = open();
    const instance = await spearlet.start({ ...everyday, args: [agentFile('unlinked.js')], transport: 'fd' });
    await failureOf(instance.execute({ command: 'unlink' }).result);
    expect(await instance.exited).toMatchObject({ reason: 'link', signal: 'SIGTERM', left: [] });
  });

  test('an exit is known as an exit, with its code, although the link is lost first', async () => {
    const spearlet = open();
    for (const exitCode of [0, 3]) {
      const instance = await spearlet.start({ ...everyday, transport: 'fd' });
      await failureOf(instance.execute({ command: 'exit', args: [String(exitCode)] }).result);
      expect(await instance.exited).toMatchObject({ reason: exitCode === 0 ? 'completed' : 'crashed', code: exitCode });
    }
  });

  test('what the agent starts does not inherit the socket', async () => {
    const spearlet = open();
    const instance = await spearlet.start({ ...commandAgent, transport: 'fd' });
    const { output } = await instance.execute({ command: 'readlink', args: ['-f', '/proc/self/fd/3'] }, { collect: true, reject: false })
      .result;
    expect(output).not.toContain('socket:');
    const { output: all } = await instance.execute({ command: 'sh', args: ['-c', 'ls /proc/$$/fd'] }, { collect: true }).result;
    expect(
      all!
        .trim()
        .split(/\s+/)
        .map(Number)
        .filter(fd => fd > 2 && fd < 10),
    ).toEqual([]);
  });

  test('inside of a pid namespace the program has the socket, too', async ({ skip }) => {
    const spearlet = open();
    const instance = await spearlet.start({ ...everyday, transport: 'fd', containment: 'namespace' });
    if (instance.containment.tree !== 'namespace') skip('there are no namespaces here');
    expect((await instance.execute({ command: 'echo', args: ['inside'] }).result).output).toBe('inside');
    expect(await instance.stop()).toMatchObject({ reason: 'stopped', code: 0 });
  });

  test('a program that is not started cannot inherit a socket, so expect() refuses it', () => {
    expect(() => open().expect({ artifactId: 'expected', transport: 'fd' as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining('transport: ') }),
    );
  });

  test('serve() without the socket rejects, and names it', async () => {
    const environment = { SPEARLET_ADDR: 'fd:987', SPEARLET_TOKEN: 't', SPEARLET_INSTANCE_ID: 'i' };
    expect(await failureOf(serve(() => {}, { environment }))).toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining("'fd:987'"),
    });
  });
});

test('ws: a text message, a foreign page and a request with a token in its URL are refused, and the agent notices nothing', async () => {
  const spearlet = open();
  const instance = await spearlet.start({ ...everyday, transport: 'ws' });
  const url = instance.address!;
  const text = new WebSocket(url);
  text.once('open', () => text.send('AuthRequest'));
  expect((await once(text, 'close'))[0]).toBe(1003);
  expect(spearlet.events.find(({ type }) => type === 'connection.closed')).toMatchObject({ code: 'PROTOCOL_ERROR' });
  const refused = new WebSocket(url, { origin: 'http://localhost:5173' });
  expect(String((await once(refused, 'error'))[0])).toContain('403');
  expect(String((await once(new WebSocket(`${url}?token=secret`), 'error'))[0])).toContain('404');
  expect((await instance.execute({ command: 'echo', args: ['undisturbed'] }).result).output).toBe('undisturbed');
});

test('a configuration file may name a transport', () => {
  const config = { runtime_type: 'process', config: { command: 'c' } };
  expect([instanceSpecFromConfig({ ...config, transport: 'unix' }).transport, instanceSpecFromConfig(config).transport]).toEqual([
    'unix',
    undefined,
  ]);
  expect(() => instanceSpecFromConfig({ ...config, transport: 'udp' })).toThrow(/transport: /);
});

test('origins are those that a browser sends, and only for ws', () => {
  const spearlet = open();
  for (const origins of [['*'], ['http://localhost:5173/'], ['localhost:5173'], ['null']])
    expect(() => spearlet.expect({ artifactId: 'page', transport: 'ws', origins })).toThrow(/origins.0: must be an origin as a browser/);
  expect(() => spearlet.expect({ artifactId: 'page', origins: ['http://localhost:5173'] })).toThrow(/origins: only transport 'ws'/);
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

test('unix: where the folder of the sockets cannot be used, the failed start has the error of the system as its cause', async () => {
  const stateDir = join(newFolder(), 'state');
  const spearlet = openSpearlet({ stateDir });
  writeFileSync(join(stateDir, 'sockets'), 'a file');
  const failed = { code: 'LISTEN_FAILED', hint: expect.stringContaining('Remove it'), cause: expect.any(Error) };
  expect(await failureOf(spearlet.start({ ...everyday, transport: 'unix' }))).toMatchObject(failed);
  expect(() => spearlet.expect({ artifactId: 'a', transport: 'unix' })).toThrow(expect.objectContaining(failed));
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

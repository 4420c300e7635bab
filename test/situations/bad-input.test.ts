// What users and strangers get wrong: each gets a clear typed error, and nothing else is touched.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { serve } from '../../src/agent/index.ts';
import { createSpearlet } from '../../src/index.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { atEnd } from '../census/census.ts';
import {
  agentFile,
  authRequest,
  complete,
  dial,
  everyday,
  failureOf,
  joinAs,
  openSpearlet,
  seen,
  startHollow,
  type TestSpearlet,
  until,
} from './world.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  atEnd(() => rmSync(path, { recursive: true }));
  return path;
}

describe('options', () => {
  test('are refused with all issues at once, each with path, value and the nearest known key', async () => {
    const options = {
      conectTimeout: 5,
      heartbeat: { intervall: 3 },
      host: '0.0.0.0',
      ports: { from: 10, to: 5 },
      grace: Number.POSITIVE_INFINITY,
    };
    const error = await failureOf((async () => createSpearlet(options as never))());
    expect(error.code).toBe('INVALID_OPTIONS');
    expect(error.issues).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ path: 'conectTimeout', value: 5, didYouMean: 'connectTimeout' }),
        expect.objectContaining({ path: 'heartbeat.intervall', value: 3, didYouMean: 'interval' }),
        expect.objectContaining({ path: 'host', value: '0.0.0.0', message: expect.stringContaining('loopback') }),
        expect.objectContaining({ path: 'ports' }),
        expect.objectContaining({ path: 'grace', value: Number.POSITIVE_INFINITY }),
      ]),
    );
  });

  test('a spec is checked before anything is started', async () => {
    const spearlet = openSpearlet();
    const wrong = {
      artifactId: 'a',
      comand: 'x',
      args: ['--port', 8080],
      environment: { 'A=B': '1', N: 'a\0b' },
      maxMemory: '12 apples',
      timeout: 2 ** 31,
    };
    const error = await failureOf(spearlet.start(wrong as never));
    expect(error.issues?.map(({ path, didYouMean }) => [path, didYouMean])).toEqual(
      expect.arrayContaining([
        ['comand', 'command'],
        ['command', undefined],
        ['args.1', undefined],
        ['environment.A=B', undefined],
        ['environment.N', undefined],
        ['maxMemory', undefined],
        ['timeout', undefined],
      ]),
    );
    expect(spearlet.events).toEqual([]);
  });
});

describe('programs', () => {
  test('the error for a missing program names it and the places that were searched', async () => {
    const spearlet = openSpearlet();
    expect(
      await failureOf(spearlet.start({ artifactId: 'a', command: 'no-such-program', environment: { PATH: '/nowhere:/bin' } })),
    ).toMatchObject({
      code: 'SPAWN_FAILED',
      message: expect.stringMatching(/'no-such-program' was not found in PATH \(\/nowhere:\/bin\)/),
    });
    expect(await failureOf(spearlet.start({ artifactId: 'a', command: './agent', workingDirectory: '/tmp' }))).toMatchObject({
      code: 'SPAWN_FAILED',
      message: expect.stringContaining("'/tmp/agent'"),
    });
    expect(spearlet.instances).toEqual([]);
  });

  test('the error names a program that is not executable, and a missing directory', async () => {
    const spearlet = openSpearlet();
    const path = join(folder(), 'agent');
    writeFileSync(path, '#!/bin/sh\n');
    chmodSync(path, 0o644);
    expect(await failureOf(spearlet.start({ artifactId: 'a', command: path }))).toMatchObject({
      code: 'SPAWN_FAILED',
      message: expect.stringContaining('is not executable'),
      hint: expect.stringContaining('chmod +x'),
    });
    expect(await failureOf(spearlet.start({ ...everyday, workingDirectory: '/no/such/place' }))).toMatchObject({
      code: 'SPAWN_FAILED',
      message: expect.stringContaining("'/no/such/place'"),
    });
    // It has the right bits, but the system cannot run it.
    writeFileSync(path, '\x7fELF garbage');
    chmodSync(path, 0o755);
    expect(await failureOf(spearlet.start({ artifactId: 'a', command: path }))).toMatchObject({
      code: expect.stringMatching(/SPAWN_FAILED|EXITED_BEFORE_READY/),
    });
  });

  test('the error for a program that exits before it connects has the exit code and the end of stderr', async () => {
    const spearlet = openSpearlet();
    const script = 'i=0; while [ $i -lt 3000 ]; do echo "line $i" >&2; i=$((i+1)); done; echo "no config" >&2; exit 7';
    const error = await failureOf(spearlet.start({ artifactId: 'a', command: 'sh', args: ['-c', script] }));
    expect(error).toMatchObject({ code: 'EXITED_BEFORE_READY', exitCode: 7 });
    expect(error.stderr?.split('\n').length).toBe(20);
    expect(error.stderr).toMatch(/line 2999\nno config$/);
    expect(error.message).toContain('no config');
  });

  test('a program that never connects is ended, and the error has its stderr', async () => {
    const spearlet = openSpearlet({ connectTimeout: 300 });
    const error = await failureOf(spearlet.start({ artifactId: 'a', command: 'sh', args: ['-c', 'echo "thinking" >&2; sleep 1000'] }));
    expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT', stderr: 'thinking', refused: 0 });
  });

  test('with a wrong token an agent of wire v1 is refused, and the host goes on waiting and counts the refusal', async () => {
    const spearlet = openSpearlet({ connectTimeout: 2_000, protocols: [1] });
    const starting = spearlet.start({ artifactId: 'impostor', command: process.execPath, args: [agentFile('impostor.js')] });
    const error = await failureOf(starting);
    expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT', refused: 1, stderr: 'AUTH_REFUSED' });
    expect(error.message).toContain('1 connection was refused');
  });

  test('an agent of wire v2 with another token does not believe the host, and the host counts its attempts', async () => {
    const spearlet = openSpearlet({ connectTimeout: 2_000 });
    const starting = spearlet.start({ artifactId: 'impostor', command: process.execPath, args: [agentFile('impostor.js')] });
    const error = await failureOf(starting);
    expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT', stderr: '' });
    expect(error.refused).toBeGreaterThanOrEqual(2);
    expect(error.message).toMatch(/AUTH_REFUSED the agent does not accept the proof of the host: it has another token/);
  });

  test('serve() without a host rejects with a hint', async () => {
    expect(await failureOf(serve(() => '', { environment: {} }))).toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('SPEARLET_ADDR'),
    });
  });
});

test.each([
  ['start()', 'spec', (spearlet: TestSpearlet) => spearlet.start({ artifactId: 7 } as never)],
  ['pool()', 'spec', (spearlet: TestSpearlet) => spearlet.pool({ artifactId: 7 } as never)],
  ['expect()', 'expect()', (spearlet: TestSpearlet) => spearlet.expect({ artifactId: 7 } as never)],
])('a wrong spec of %s is called %s', async (_, name, call) => {
  const error = await failureOf((async () => call(openSpearlet()))());
  expect(error.code).toBe('INVALID_OPTIONS');
  expect(error.message.startsWith(`invalid ${name}: `)).toBe(true);
});

describe('invalid data on a connection', () => {
  const header = (length: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(length);
    return bytes;
  };
  const garbage: [string, Buffer, string][] = [
    ['garbage', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), 'FRAME_TOO_LARGE'],
    ['a frame of length 0', header(0n), 'PROTOCOL_ERROR'],
    ['a length of 2^64 - 1', header(2n ** 64n - 1n), 'FRAME_TOO_LARGE'],
    ['a frame that is not JSON', Buffer.concat([header(4n), Buffer.from('null')]), 'PROTOCOL_ERROR'],
    ['a frame above the bound', header(2n ** 26n), 'FRAME_TOO_LARGE'],
  ];

  test.each(garbage)('%s from an unauthenticated connection ends it; the agent can still connect', async (_, bytes, code) => {
    const spearlet = openSpearlet();
    const { ready, environment } = await startHollow(spearlet);
    const stranger = await dial(environment.SPEARLET_ADDR!);
    stranger.socket.write(bytes);
    await stranger.closed;
    expect(JSON.parse(stranger.received[0]!.payload.toString())).toMatchObject({ code });
    const agent = await joinAs(environment);
    expect((await ready).state).toBe('ready');
    agent.close();
  });

  test.each(garbage)('%s from the agent ends its connection; another instance is not affected', async (_, bytes, code) => {
    const spearlet = openSpearlet();
    const neighbour = await spearlet.start(everyday);
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    const execution = instance.execute({ command: 'echo' });
    const request = await agent.next('ExecuteRequest');
    agent.socket.write(bytes);
    expect(JSON.parse((await agent.next('Error')).payload.toString())).toMatchObject({ code });
    await agent.closed;
    await seen(instance.state$, state => state === 'reconnecting');
    // It may come back and answer what it was asked before.
    const again = await joinAs(environment);
    again.send(...complete(request, 'after all'));
    expect((await execution.result).output).toBe('after all');
    expect((await neighbour.execute({ command: 'echo', args: ['fine'] }).result).output).toBe('fine');
    again.close();
  });

  test('an end in the middle of a frame has another code than an orderly end', async () => {
    const spearlet = openSpearlet();
    const { environment, ready, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    await ready;
    agent.socket.end(Buffer.from([1, 2, 3]));
    await seen(instance.state$, state => state === 'reconnecting');
    await until(() => spearlet.events.some(event => event.type === 'connection.closed' && event.code === 'PROTOCOL_ERROR'));
  });

  test('every cause of a refusal gets the same answer', async () => {
    const spearlet = openSpearlet();
    const { environment } = await startHollow(spearlet);
    const answers: string[] = [];
    for (const changes of [
      { token: 'wrong' },
      { token: '' },
      { token: environment.SPEARLET_TOKEN!.slice(1) },
      { instanceId: 'other' },
      { instanceId: '' },
      { instanceId: 'other', token: 'wrong' },
    ]) {
      const peer = await dial(environment.SPEARLET_ADDR!);
      peer.send('AuthRequest', 77, authRequest(environment, changes));
      const answer = await peer.next('AuthResponse');
      await peer.closed;
      expect(answer.requestId).toBe(77);
      answers.push(answer.payload.toString());
    }
    expect(new Set(answers).size).toBe(1);
    expect(v1.decodeAuthResponse(Buffer.from(answers[0]!))).toMatchObject({ success: false, sessionId: null });
  });

  test('responses without an execution are dropped; heartbeats are echoed exactly', async () => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    const execution = instance.execute({ command: 'echo' });
    const request = await agent.next('ExecuteRequest');
    const [type, id, payload] = complete(request, 'right');
    agent.send(type, 999_999, payload);
    agent.send(type, id, v1.encodeExecuteResponse({ taskId: 'another', status: 'Completed', output: 'wrong', error: null, exitCode: 0 }));
    agent.send(type, id, payload);
    agent.send(
      type,
      id,
      v1.encodeExecuteResponse({ taskId: execution.taskId, status: 'Failed', output: 'late', error: null, exitCode: 1 }),
    );
    expect((await execution.result).output).toBe('right');
    for (const beat of [0, 2 ** 53 - 1, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      agent.send('Heartbeat', beat, Buffer.from([1, 2, 255]));
      const echo = await agent.next('Heartbeat');
      expect(echo).toMatchObject({ requestId: beat });
      expect([...echo.payload]).toEqual([1, 2, 255]);
    }
    agent.close();
  });
});

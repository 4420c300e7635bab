// What a review found, so that it stays mended: hostile agents, broken callbacks, races of ends and beginnings.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createSpearlet } from '../../src/index.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { atEnd } from '../census/census.ts';
import {
  agentFile,
  authRequest,
  commandAgent,
  complete,
  dial,
  everyday,
  failureOf,
  joinAs,
  openSpearlet,
  seen,
  startHollow,
  until,
} from './world.ts';

const odd = { artifactId: 'odd', command: process.execPath, args: [agentFile('odd.js')] };
const frame = (...args: Parameters<typeof v1.encodeFrame>) => v1.encodeFrame(...args);
const epoch = { secs: 0, nanos: 0 };
const garbage = frame('Heartbeat', 1, epoch, '').fill(0x20, 8);

describe('hostile agents', () => {
  test('an AuthRequest with invalid bytes behind it, while the old session ends, harms neither instance nor host', async () => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const old = await joinAs(environment);
    const execution = instance.execute({ command: 'echo' });
    const request = await old.next('ExecuteRequest');
    const rival = await dial(environment.SPEARLET_ADDR!);
    rival.socket.write(Buffer.concat([frame('AuthRequest', 1, epoch, authRequest(environment)), garbage]));
    await old.next('Heartbeat');
    old.close();
    await rival.closed;
    const heir = await joinAs(environment);
    heir.send(...complete(request, 'survived'));
    expect((await execution.result).output).toBe('survived');
    heir.close();
    expect(await instance.stop({ grace: 0 })).toMatchObject({ reason: 'stopped' });
  });

  test('an agent that sends heartbeats and reads no echoes loses its connection, and the send queue stays bounded', async () => {
    const spearlet = openSpearlet({ maxQueuedBytes: 2 ** 20 });
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    agent.socket.pause();
    let most = 0;
    let id = 1;
    const asking = setInterval(() => {
      if (agent.socket.writableLength < 2 ** 22) agent.send('Heartbeat', (id += 1), Buffer.alloc(100_000, 1));
      most = Math.max(most, spearlet.stats().instances[0]?.connections[0]?.queuedBytes ?? 0);
    }, 1);
    atEnd(() => clearInterval(asking));
    await seen(instance.state$, state => state === 'reconnecting');
    expect(most).toBeLessThan(8 * 2 ** 20);
    clearInterval(asking);
    agent.close();
  });

  test('the bytes of send() are bounded, too', async () => {
    const spearlet = openSpearlet({ maxQueuedBytes: 2 ** 20 });
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    await seen(instance.state$, state => state === 'ready');
    agent.socket.pause();
    let refused: unknown;
    for (let i = 0; i < 60 && refused === undefined; i += 1) {
      try {
        instance.send('x'.repeat(500_000));
      } catch (error) {
        refused = error;
      }
    }
    expect(refused).toMatchObject({ code: 'OVERLOADED' });
    expect(() => instance.send(7 as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }));
    agent.close();
  });

  test('send() refuses a text that fits into no frame, and the session goes on', async () => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    await seen(instance.state$, state => state === 'ready');
    expect(() => instance.send('x'.repeat(9 * 2 ** 20))).toThrow(
      expect.objectContaining({ code: 'FRAME_TOO_LARGE', instanceId: instance.id, message: expect.stringContaining('maxFrameBytes') }),
    );
    // A line end takes two characters of JSON: what counts is the frame, not the text.
    expect(() => instance.send('\n'.repeat(5 * 2 ** 20))).toThrow(expect.objectContaining({ code: 'FRAME_TOO_LARGE' }));
    for (const wrong of ['\ud800', undefined, {}, Buffer.from('x')])
      expect(() => instance.send(wrong as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }));
    instance.send('still here');
    expect(JSON.parse((await agent.next('Signal')).payload.toString())).toEqual({ signal: 'user', data: 'still here' });
    expect(spearlet.stats().instances[0]).toMatchObject({ reconnects: 0, state: 'ready' });
    agent.close();
  });

  test('empty updates count against the bound: a flood of them becomes a gap', async () => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    const execution = instance.execute({ command: 'echo' });
    const request = await agent.next('ExecuteRequest');
    const empty = frame(
      'ExecuteResponse',
      request.requestId,
      epoch,
      v1.encodeExecuteResponse({ taskId: execution.taskId, status: 'Running', output: '', error: null, exitCode: null }),
    );
    for (let i = 0; i < 100; i += 1) agent.socket.write(Buffer.concat(Array.from({ length: 200 }, () => empty)));
    agent.send(...complete(request, 'done'));
    await execution.result;
    const updates = [];
    for await (const update of execution) updates.push(update);
    expect(updates.length).toBeLessThan(1_100);
    agent.close();
  });
});

describe('handlers with errors', () => {
  test('a result that is too large for a frame is Failed and the connection stays; a large write is split', async () => {
    const spearlet = openSpearlet({ maxFrameBytes: 2 ** 20 });
    const instance = await spearlet.start(odd);
    expect(await failureOf(instance.execute({ command: 'huge', args: ['2000000'] }).result)).toMatchObject({
      code: 'EXECUTION_FAILED',
      error: expect.stringContaining('too large'),
    });
    const { output } = await instance.execute({ command: 'hugeWrite', args: ['300000'] }, { collect: true }).result;
    expect(output === 'é😀'.repeat(300_000)).toBe(true);
    const unawaited = await instance.execute({ command: 'hugeUnawaited', args: ['500000'] }, { collect: true }).result;
    expect(unawaited.output?.length).toBe(500_000);
    expect(spearlet.stats().instances[0]!.reconnects).toBe(0);
    expect(await failureOf(instance.execute({ command: 'huge', args: ['x'.repeat(2 ** 20)] }).result)).toMatchObject({
      code: 'FRAME_TOO_LARGE',
    });
  });

  test('an execution settles also if its handler returns an invalid value or a thenable', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(odd);
    for (const command of ['half', 'halfError', 'number'])
      expect(await failureOf(instance.execute({ command }).result)).toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 1 });
    expect((await instance.execute({ command: 'thenable' }).result).output).toBe('awaited');
  });

  test('an error in onSignal crashes the program of the agent, with the stack of the error', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(odd);
    instance.send('boom');
    expect(await instance.exited).toMatchObject({ reason: 'crashed', code: 1, stderr: expect.stringContaining('onSignal: boom') });
  });

  test('a large result is not lost when the agent is asked to end', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(odd);
    const execution = instance.execute({ command: 'huge', args: ['6000000'] });
    const stopping = instance.stop({ grace: 20_000 });
    expect((await execution.result).output?.length).toBe(6_000_000);
    // Whether it then ends by itself or at the next stop stage is a question of how busy the machine is.
    expect(await stopping).toMatchObject({ reason: 'stopped' });
  });
});

describe('lost connections', () => {
  test('each lost connection has its own reconnect window', async () => {
    const spearlet = openSpearlet({ reconnectWindow: 800 });
    const { environment, instance } = await startHollow(spearlet);
    const first = await joinAs(environment);
    const execution = instance.execute({ command: 'long' });
    const request = await first.next('ExecuteRequest');
    const started = v1.encodeExecuteResponse({ taskId: execution.taskId, status: 'Started', output: null, error: null, exitCode: null });
    first.close();
    await seen(instance.state$, state => state === 'reconnecting');
    const second = await joinAs(environment);
    second.send('ExecuteResponse', request.requestId, started);
    await seen(execution.updates$, ({ status }) => status === 'started');
    await sleep(500);
    second.close();
    await seen(instance.state$, state => state === 'reconnecting');
    await sleep(500);
    const third = await joinAs(environment);
    third.send(...complete(request, 'in time'));
    expect((await execution.result).output).toBe('in time');
    third.close();
  });

  test('an execution that is called while the connection ends is sent on the next one', async () => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    const trigger = instance.execute({ command: 'trigger' });
    let late: ReturnType<typeof instance.execute> | undefined;
    trigger.updates$.subscribe(({ status }) => {
      if (status === 'running') late = instance.execute({ command: 'late' });
    });
    const request = await agent.next('ExecuteRequest');
    const running = v1.encodeExecuteResponse({ taskId: trigger.taskId, status: 'Running', output: 'x', error: null, exitCode: null });
    agent.socket.write(Buffer.concat([frame('ExecuteResponse', request.requestId, epoch, running), garbage]));
    await agent.closed;
    const again = await joinAs(environment);
    again.send(...complete(await again.next('ExecuteRequest'), 'delivered'));
    expect((await late!.result).output).toBe('delivered');
    trigger.cancel();
    again.close();
  });

  test('an agent that reconnects gets the cancels of the meantime', async () => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    const execution = instance.execute({ command: 'long' });
    const request = await agent.next('ExecuteRequest');
    agent.close();
    await seen(instance.state$, state => state === 'reconnecting');
    execution.cancel();
    const again = await joinAs(environment);
    again.send(
      'ExecuteResponse',
      request.requestId,
      v1.encodeExecuteResponse({ taskId: execution.taskId, status: 'Started', output: null, error: null, exitCode: null }),
    );
    expect(JSON.parse((await again.next('Signal')).payload.toString())).toEqual({ signal: 'cancel', task_id: execution.taskId });
    again.close();
  });

  test('the end of the peer is noticed although a slow reader pauses the connection', async () => {
    const spearlet = openSpearlet({ heartbeat: { interval: 50, misses: 3 }, reconnectWindow: 100 });
    const expected = spearlet.expect({ artifactId: 'external' });
    const agent = await joinAs(expected.environment);
    const instance = await expected.ready;
    const execution = instance.execute({ command: 'flood' });
    const reader = execution[Symbol.asyncIterator]();
    const request = await agent.next('ExecuteRequest');
    const piece = v1.encodeExecuteResponse({
      taskId: execution.taskId,
      status: 'Running',
      output: 'x'.repeat(100_000),
      error: null,
      exitCode: null,
    });
    for (let i = 0; i < 16; i += 1) agent.send('ExecuteResponse', request.requestId, piece);
    await until(() => spearlet.stats().instances[0]!.connections[0]!.paused);
    agent.close();
    expect(await instance.exited).toMatchObject({ reason: 'link' });
    await reader.return?.();
  });
});

describe('callers', () => {
  test('stop() and expect() work inside a callback of events$', async () => {
    const spearlet = openSpearlet();
    const subscription = spearlet.events$.subscribe(event => {
      if (event.type === 'instance.spawned') subscription.unsubscribe();
      if (event.type === 'instance.state' && event.state === 'allocating') void spearlet.stop({ grace: 0 });
    });
    expect(await failureOf(spearlet.start(everyday))).toMatchObject({ code: expect.stringMatching(/STOPPED/) });
    const other = openSpearlet();
    const expected = new Promise<string>(resolve => {
      other.events$.subscribe(event => {
        if (event.type === 'connection.opened') resolve(other.expect({ artifactId: 'inside' }).environment.SPEARLET_ADDR);
      });
    });
    await other.start(everyday);
    expect(await expected).toMatch(/^(127\.0\.0\.1:\d+$|unix:|ws:)/);
  });

  test('a logger and an inspection observer that throw do no harm', async () => {
    const broken = () => {
      throw new Error('broken');
    };
    const logger = { child: broken, trace: broken, debug: broken, info: broken, warn: broken, error: broken };
    const spearlet = createSpearlet({ logger: logger as never, inspect: broken as never, ports: 0 });
    atEnd(() => spearlet.stop({ grace: 0 }));
    const instance = await spearlet.start(everyday);
    expect((await instance.execute({ command: 'echo', args: ['fine'] }).result).output).toBe('fine');
    expect(await instance.stop()).toMatchObject({ reason: 'stopped' });
  });

  test('expect() takes no start slot', async () => {
    const spearlet = openSpearlet({ maxConcurrentStarts: 1 });
    for (let i = 0; i < 3; i += 1) spearlet.expect({ artifactId: 'external' });
    expect((await spearlet.start(everyday)).state).toBe('ready');
  });

  test('a later stop with a shorter grace applies', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({
      artifactId: 'stubborn',
      command: process.execPath,
      args: [agentFile('stubborn.js'), 'connects'],
    });
    const patient = instance.stop({ grace: 600_000 });
    await spearlet.stop({ grace: 300 });
    expect(await patient).toMatchObject({ signal: 'SIGKILL' });
  });

  test('several pending next() calls are all answered, and an error is thrown once', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const reader = instance.execute({ command: 'count', args: ['1'] })[Symbol.asyncIterator]();
    const all = await Promise.all(Array.from({ length: 5 }, () => reader.next()));
    expect(all.map(({ value, done }) => (done ? 'done' : value!.status))).toEqual(['started', 'running', 'completed', 'done', 'done']);
    const failing = instance.execute({ command: 'wait' });
    const waiting = failing[Symbol.asyncIterator]();
    await waiting.next();
    const [update, error] = [waiting.next(), waiting.next()];
    failing.cancel();
    expect((await update).value).toMatchObject({ status: 'failed' });
    expect(await failureOf(error)).toMatchObject({ code: 'CANCELLED' });
    expect(await waiting.next()).toEqual({ value: undefined, done: true });
    const left = instance.execute({ command: 'wait' });
    const leaving = left[Symbol.asyncIterator]();
    await leaving.next();
    const pending = leaving.next();
    await leaving.return?.();
    expect(await pending).toEqual({ value: undefined, done: true });
    left.cancel();
  });

  test('a start fails with a typed error where no file descriptors are left, and the host lives', async () => {
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      `ulimit -n 400; exec "${process.execPath}" "${agentFile('emfile-host.js')}"`,
    ]);
    expect(stdout).toMatch(/^SPAWN_FAILED\n$/);
  });

  test('a slow reader gets every byte of a program of the command agent', async () => {
    const host = openSpearlet();
    const instance = await host.start(commandAgent);
    let bytes = 0;
    for await (const { output = '' } of instance.execute({ command: 'sh', args: ['-c', 'head -c 6000000 /dev/zero | tr "\\0" x'] })) {
      if (output !== '' && bytes === 0) await sleep(800);
      bytes += output.length;
    }
    expect(bytes).toBe(6_000_000);
  });
});

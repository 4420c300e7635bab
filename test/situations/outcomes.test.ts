// The outcome of executions when their agent was frozen, disconnected or misbehaving: missing output is reported as a gap, and a
// cancel never ends another execution.
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { ExecutionUpdate, SpearletOptions } from '../../src/index.ts';
import type { SpearMessage } from '../../src/protocol/message.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { complete, everyday, failureOf, type HandPeer, joinAs, openSpearlet, seen, startHollow, until } from './world.ts';

const taskOf = (request: SpearMessage): string => v1.decodeExecuteRequest(Buffer.from(request.payload)).taskId;

/** An instance whose agent is played by the test, and is authenticated. */
async function startWithAgent(options: SpearletOptions = {}) {
  const spearlet = openSpearlet(options);
  const { environment, ready, instance } = await startHollow(spearlet);
  const agent = await joinAs(environment);
  await ready;
  return { spearlet, environment, instance, agent };
}

/** Sends a response to a request. `offset` is the output offset, which an agent adds after a reconnect. */
function respond(
  peer: HandPeer,
  request: SpearMessage,
  status: 'Started' | 'Running' | 'Completed',
  output: string | null,
  offset?: number,
): void {
  const payload = v1.encodeExecuteResponse({
    taskId: taskOf(request),
    status,
    output,
    error: null,
    exitCode: status === 'Completed' ? 0 : null,
  });
  const extra = offset === undefined ? payload : payload.replace(/\}$/, `,"output_offset":${offset}}`);
  peer.send('ExecuteResponse', request.requestId, extra);
}

const cancelsOf = ({ received }: HandPeer): SpearMessage[] =>
  received.filter(({ type, payload }) => type === 'Signal' && payload.includes('"cancel"'));

describe('a retry with the same task id', () => {
  test('is not cancelled when a frozen agent wakes and starts the execution that timed out', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    for (let round = 0; round < 3; round += 1) {
      process.kill(instance.pid!, 'SIGSTOP');
      // `later` ignores a cancel, so the agent sends Started for it when it wakes.
      const first = instance.execute({ command: 'later', args: ['1000', ''], taskId: 'job-0' }, { timeout: 50 });
      expect(await failureOf(first.result)).toMatchObject({ code: 'EXECUTION_TIMEOUT' });
      const retry = instance.execute({ command: 'laterUnlessAborted', args: ['200', 'done'], taskId: 'job-0' });
      process.kill(instance.pid!, 'SIGCONT');
      expect((await retry.result).output).toBe('done');
    }
  });

  test('is not ended by the cancel of the first one, which names its request id and is sent once for each connection', async () => {
    const { agent, instance } = await startWithAgent();
    const first = instance.execute({ command: 'x', taskId: 'job-0' });
    const request = await agent.next('ExecuteRequest');
    first.cancel();
    const retry = instance.execute({ command: 'x', taskId: 'job-0' });
    const retryRequest = await agent.next('ExecuteRequest');
    for (let n = 0; n < 3; n += 1) respond(agent, request, 'Started', null);
    respond(agent, retryRequest, 'Completed', 'kept');
    expect((await retry.result).output).toBe('kept');
    expect(cancelsOf(agent).map(({ requestId }) => requestId)).toEqual([request.requestId]);
    expect(JSON.parse(String(cancelsOf(agent)[0]!.payload))).toEqual({ signal: 'cancel', task_id: 'job-0' });
  });

  test('does not keep the cancel of the first one from being sent on the next connection, with its request id', async () => {
    const { agent, instance, environment } = await startWithAgent();
    const first = instance.execute({ command: 'x', taskId: 'job-0' });
    const request = await agent.next('ExecuteRequest');
    agent.close();
    await seen(instance.state$, state => state === 'reconnecting');
    first.cancel();
    const next = await joinAs(environment);
    respond(next, request, 'Started', null);
    const signal = await next.next('Signal');
    expect(signal.requestId).toBe(request.requestId);
    next.close();
  });
});

describe('output that was lost with a connection', () => {
  test('becomes a gap at its place and counts as truncated, once the agent has sent its output offset', async () => {
    const { agent, instance, environment } = await startWithAgent();
    const execution = instance.execute({ command: 'x' }, { collect: true });
    const updates: ExecutionUpdate[] = [];
    execution.updates$.subscribe(update => updates.push(update));
    const request = await agent.next('ExecuteRequest');
    respond(agent, request, 'Started', null);
    respond(agent, request, 'Running', 'öne\n');
    await until(() => updates.some(({ output }) => output === 'öne\n'));
    agent.close();
    await seen(instance.state$, state => state === 'reconnecting');
    const next = await joinAs(environment);
    respond(next, request, 'Started', null, 9);
    respond(next, request, 'Running', 'three\n', 9);
    respond(next, request, 'Completed', null, 20);
    const result = await execution.result;
    expect(result).toMatchObject({ status: 'completed', output: 'öne\nthree\n', truncatedBytes: 9 });
    expect(updates.slice(1)).toMatchObject([
      { output: 'öne\n' },
      { gap: { from: 5, to: 9 } },
      { output: 'three\n' },
      { gap: { from: 15, to: 20 } },
      { status: 'completed' },
    ]);
    next.close();
  });

  test('is not reported for an output offset that is no valid number: such a field is ignored', async () => {
    const { agent, instance } = await startWithAgent();
    for (const offset of ['-1', '1.5', '"12"', 'null', '{"a":[1]}', '99999999999999999999', '1e3']) {
      const execution = instance.execute({ command: 'x' });
      const request = await agent.next('ExecuteRequest');
      const payload = v1.encodeExecuteResponse({ taskId: taskOf(request), status: 'Completed', output: 'o', error: null, exitCode: 0 });
      agent.send('ExecuteResponse', request.requestId, payload.replace(/\}$/, `,"output_offset":${offset}}`));
      expect(await execution.result).toMatchObject({ output: 'o', truncatedBytes: 0 });
    }
    agent.close();
  });
});

describe('an authenticated agent that keeps sending Started for executions that have ended', () => {
  test('gets one cancel for each execution, however often it sends Started', async () => {
    const { agent, instance, spearlet } = await startWithAgent();
    const execution = instance.execute({ command: 'x' });
    const request = await agent.next('ExecuteRequest');
    execution.cancel();
    await agent.next('Signal');
    for (let n = 0; n < 20_000; n += 1) respond(agent, request, 'Started', null);
    const last = instance.execute({ command: 'x' });
    agent.send(...complete(await agent.next('ExecuteRequest'), 'still there'));
    expect((await last.result).output).toBe('still there');
    expect(cancelsOf(agent).length).toBe(1);
    expect(spearlet.stats().instances[0]!.lateAnswers).toBe(20_000);
  });

  test('loses its connection where it does not read, and the cancels for it would exceed the send queue', async () => {
    const { spearlet, agent, instance } = await startWithAgent({ maxQueuedBytes: 1_000, maxInFlight: 1 });
    const requests: SpearMessage[] = [];
    for (let n = 0; n < 100; n += 1) {
      const execution = instance.execute({ command: 'x' });
      const request = await agent.next('ExecuteRequest');
      requests.push(request);
      agent.send(...complete(request, ''));
      await execution.result;
    }
    agent.socket.pause();
    const ended = seen(spearlet.events$, event => event.type === 'connection.closed');
    // Many different request ids, so that their number is what is bounded, until the buffers of the system are full.
    let isOpen = true;
    void ended.finally(() => {
      isOpen = false;
    });
    for (let n = 0; isOpen; n += 1) {
      respond(agent, requests[n % requests.length]!, 'Started', null);
      if (agent.socket.writableLength > 2 ** 20) await new Promise(resolve => setImmediate(resolve));
      expect(spearlet.stats().instances[0]!.connections[0]?.queuedBytes ?? 0).toBeLessThan(100_000);
    }
    expect(await ended).toMatchObject({ code: 'PROTOCOL_ERROR' });
    agent.close();
  });
});

describe('one AbortSignal', () => {
  test('has one listener for many executions, is the cause of their errors, and has no listener when they have ended', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const aborter = new AbortController();
    const { signal } = aborter;
    const echoes = Array.from({ length: 50 }, () => instance.execute({ command: 'echo' }, { signal }));
    const waits = Array.from({ length: 50 }, () => instance.execute({ command: 'wait' }, { signal }));
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    await Promise.all(echoes.map(({ result }) => result));
    const reason = new Error('the user left');
    aborter.abort(reason);
    for (const { result } of waits) expect(await failureOf(result)).toMatchObject({ code: 'CANCELLED', cause: reason });
    expect(await failureOf(instance.execute({ command: 'echo' }, { signal }).result)).toMatchObject({ code: 'CANCELLED', cause: reason });
    const other = new AbortController();
    await instance.execute({ command: 'echo' }, { signal: other.signal }).result;
    expect(getEventListeners(other.signal, 'abort').length).toBe(0);
    await new Promise(resolve => setImmediate(resolve));
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });
});

test('after a cancel in the middle of a flood no reader gets updates after the end, and the connection is read again', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  const execution = instance.execute({ command: 'flood', args: ['20', String(2 ** 20)] });
  let bytes = 0;
  execution.updates$.subscribe(({ output }) => {
    bytes += output?.length ?? 0;
    if (bytes >= 3 * 2 ** 20) execution.cancel();
  });
  const seenBySecond: string[] = [];
  const reading = (async () => {
    for await (const { status } of execution) {
      seenBySecond.push(status);
      // Slow, so that it is behind by more than the bound when the subscriber cancels.
      await new Promise(resolve => setImmediate(resolve));
    }
  })();
  expect(await failureOf(reading)).toMatchObject({ code: 'CANCELLED' });
  expect(seenBySecond.filter(status => status === 'failed').length).toBe(1);
  expect(seenBySecond.at(-1)).toBe('failed');
  expect((await instance.execute({ command: 'echo', args: ['still read'] }).result).output).toBe('still read');
  expect(spearlet.stats().instances[0]!.connections[0]!.paused).toBe(false);
});

test('an execution on a frozen agent ends as OUTCOME_UNKNOWN with the cause HEARTBEAT_LOST', async () => {
  const spearlet = openSpearlet({ heartbeat: { interval: 50, misses: 2 }, reconnectWindow: 100, grace: 100 });
  const instance = await spearlet.start(everyday);
  const execution = instance.execute({ command: 'wait' });
  await seen(execution.updates$, ({ status }) => status === 'started');
  process.kill(instance.pid!, 'SIGSTOP');
  expect(await failureOf(execution.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN', cause: { code: 'HEARTBEAT_LOST' } });
  await instance.exited;
});

test('frames that are removed from the send queue are not counted as sent', async () => {
  const { spearlet, agent, instance } = await startWithAgent();
  const before = spearlet.stats().instances[0]!.connections[0]!;
  for (let n = 0; n < 10; n += 1) instance.execute({ command: 'x', args: ['y'.repeat(1_000)] }).cancel();
  const kept = instance.execute({ command: 'x' });
  agent.send(...complete(await agent.next('ExecuteRequest'), ''));
  await kept.result;
  const { messagesSent, bytesSent } = spearlet.stats().instances[0]!.connections[0]!;
  expect(messagesSent - before.messagesSent).toBe(1);
  expect(bytesSent - before.bytesSent).toBeLessThan(1_000);
  agent.close();
});

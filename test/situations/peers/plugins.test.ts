// Handshakes, plugins and foreign clients of wire v1, as users of go-plugin and of upstream rely on them.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../../src/index.ts';
import * as v1 from '../../../src/protocol/v1/messages.ts';
import { atEnd } from '../../census/census.ts';
import { agentFile, authRequest, complete, dial, failureOf, type HandPeer, joinAs, until } from '../world.ts';
import { begin, differs, ends, sharedSpearlet } from './stage.ts';

const spearlet = sharedSpearlet();

/** An agent that the test plays itself, over wire v1. */
function expectAgent() {
  const expected = spearlet().expect({ artifactId: 'by-hand' });
  expected.ready.catch(() => {});
  const { SPEARLET_INSTANCE_ID: id } = expected.environment;
  atEnd(() => spearlet().get(id)?.stop({ grace: 0 }));
  return expected;
}
async function joined(): Promise<{ peer: HandPeer; instance: Instance }> {
  const expected = expectAgent();
  const peer = await joinAs(expected.environment);
  return { peer, instance: await expected.ready };
}
const statsOf = (id: string) =>
  spearlet()
    .stats()
    .instances.find(({ instanceId }) => instanceId === id)!;
const response = (changes: object) =>
  v1.encodeExecuteResponse({ taskId: 't', status: 'Completed', output: null, error: null, exitCode: null, ...changes });

describe('go-plugin', () => {
  test.each([
    ['a wrong magic cookie (token)', { token: 'wrong' }],
    ['the id of another plugin', { instanceId: 'another' }],
  ])('%s is refused and counted, and the plugin can still connect', async (_, changes) => {
    const expected = expectAgent();
    const impostor = await dial(expected.environment.SPEARLET_ADDR);
    impostor.send('AuthRequest', 1, authRequest(expected.environment, changes));
    expect(v1.decodeAuthResponse((await impostor.next('AuthResponse')).payload)).toMatchObject({ success: false, sessionId: null });
    await impostor.closed;
    await joinAs(expected.environment);
    expect(statsOf((await expected.ready).id)).toMatchObject({ refused: 1 });
  });

  test('a second plugin with the same token is refused while the first one answers heartbeats', async () => {
    const expected = expectAgent();
    const first = await joinAs(expected.environment);
    const { result } = (await expected.ready).execute({ command: 'work' });
    // A connection that was never used could be one whose AuthResponse was lost: it would be replaced.
    first.send(...complete(await first.next('ExecuteRequest'), ''));
    await result;
    // The host asks the first one whether it lives.
    void first.next('Heartbeat').then(({ requestId, payload }) => first.send('Heartbeat', requestId, payload));
    const second = await dial(expected.environment.SPEARLET_ADDR);
    second.send('AuthRequest', 1, authRequest(expected.environment));
    const answer = v1.decodeAuthResponse((await second.next('AuthResponse')).payload);
    expect(answer).toMatchObject({ success: false, errorMessage: 'already claimed' });
  });

  differs('the standard output of a plugin is not the protocol: it may print before the handshake', async () => {
    const args = ['-c', `echo '1|1|tcp|nonsense'; printf '\\0\\1'; exec bash ${agentFile('ends.sh')} stay`];
    const instance = await begin(spearlet(), { artifactId: 'printer', command: 'sh', args });
    expect(instance.state).toBe('ready');
  });

  test('a plugin that ends before the handshake is an error with its stderr', async () => {
    const spec = { artifactId: 'panics', command: 'sh', args: ['-c', 'echo panic: no >&2; exit 2'] };
    expect(await failureOf(spearlet().start(spec))).toMatchObject({ code: 'EXITED_BEFORE_READY', exitCode: 2, stderr: 'panic: no' });
  });

  test('Exited(): the end of a plugin is known, with its code', async () => {
    const instance = await begin(spearlet(), ends(7));
    expect(await instance.exited).toMatchObject({ code: 7, reason: 'crashed' });
    expect(instance.state).toBe('stopped');
  });

  test('reattach: a plugin that lost its connection goes on over a new one, and answers what it was asked before', async () => {
    const expected = expectAgent();
    const peer = await joinAs(expected.environment);
    const instance = await expected.ready;
    const execution = instance.execute({ command: 'work' });
    const request = await peer.next('ExecuteRequest');
    peer.close();
    await until(() => instance.state === 'reconnecting');
    const again = await joinAs(expected.environment);
    again.send(...complete(request, 'after all'));
    expect((await execution.result).output).toBe('after all');
    expect(statsOf(instance.id)).toMatchObject({ reconnects: 1 });
  });

  differs('a plugin is not asked for its version of an interface: a command it does not know has failed with 127', async () => {
    const script = `import { serve } from 'spearlet/agent'; await serve({ known: () => 'yes' });`;
    const instance = await begin(spearlet(), {
      ...{ command: process.execPath, args: ['--input-type=module', '-e', script] },
      workingDirectory: join(import.meta.dirname, '..', '..', '..'),
    });
    expect(await failureOf(instance.execute({ command: 'unknown' }).result)).toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 127 });
  });
});

describe('upstream, on wire v1', () => {
  test('an answer to a request that never was is dropped and counted', async () => {
    const { peer, instance } = await joined();
    peer.send('ExecuteResponse', 4_711, response({ output: 'nobody asked' }));
    await until(() => statsOf(instance.id).foreignAnswers === 1);
    expect(instance.state).toBe('ready');
  });

  test('the second of two answers is dropped and counted: the first one counts', async () => {
    const { peer, instance } = await joined();
    const execution = instance.execute({ command: 'work' });
    const request = await peer.next('ExecuteRequest');
    peer.send(...complete(request, 'first'));
    peer.send(...complete(request, 'second'));
    expect((await execution.result).output).toBe('first');
    await until(() => statsOf(instance.id).lateAnswers === 1);
  });

  test('answers may come in another order than the requests', async () => {
    const { peer, instance } = await joined();
    const executions = ['a', 'b', 'c'].map(command => instance.execute({ command }));
    const requests = [await peer.next('ExecuteRequest'), await peer.next('ExecuteRequest'), await peer.next('ExecuteRequest')];
    for (const request of requests.reverse())
      peer.send(...complete(request, v1.decodeExecuteRequest(Buffer.from(request.payload)).command));
    expect((await Promise.all(executions.map(({ result }) => result))).map(({ output }) => output)).toEqual(['a', 'b', 'c']);
  });

  test('a request has exactly the fields of the seed where nothing else is asked for', async () => {
    const { peer, instance } = await joined();
    instance.execute({ command: 'work', args: ['x'], env: { A: '1' }, taskId: 'mine' });
    const { payload } = await peer.next('ExecuteRequest');
    expect(JSON.parse(String(payload))).toEqual({ task_id: 'mine', command: 'work', args: ['x'], env: { A: '1' } });
  });

  test('fields that the seed does not know are ignored in an answer', async () => {
    const { peer, instance } = await joined();
    const execution = instance.execute({ command: 'work', taskId: 't' });
    const { requestId } = await peer.next('ExecuteRequest');
    peer.send('ExecuteResponse', requestId, `${response({ output: 'known' }).slice(0, -1)},"later":{"a":[1]}}`);
    expect((await execution.result).output).toBe('known');
  });

  test('a task may complete without Started, without output and without an exit code', async () => {
    const { peer, instance } = await joined();
    const execution = instance.execute({ command: 'work', taskId: 't' });
    peer.send('ExecuteResponse', (await peer.next('ExecuteRequest')).requestId, response({}));
    expect(await execution.result).toMatchObject({ status: 'completed', output: null, exitCode: null, error: null });
  });

  test('a task that has failed with exit code 0 has failed', async () => {
    const { peer, instance } = await joined();
    const execution = instance.execute({ command: 'work', taskId: 't' });
    peer.send('ExecuteResponse', (await peer.next('ExecuteRequest')).requestId, response({ status: 'Failed', exitCode: 0 }));
    expect(await failureOf(execution.result)).toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 0 });
  });

  test('a cancel names the task, and one after the end is not sent', async () => {
    const { peer, instance } = await joined();
    const [ended, running] = ['ended', 'running'].map(taskId => instance.execute({ command: 'work', taskId }));
    peer.send(...complete(await peer.next('ExecuteRequest'), ''));
    await ended!.result;
    ended!.cancel();
    running!.cancel();
    const { payload } = await peer.next('Signal');
    expect(JSON.parse(String(payload))).toMatchObject({ signal: 'cancel', task_id: 'running' });
    expect(peer.received.filter(({ type }) => type === 'Signal')).toHaveLength(1);
  });

  differs('a task id that is in flight attaches to its execution, and another request for it is refused', async () => {
    const { peer, instance } = await joined();
    const one = instance.execute({ command: 'work', taskId: 'same' });
    expect(instance.execute({ command: 'work', taskId: 'same' })).toBe(one);
    expect(await failureOf(instance.execute({ command: 'other', taskId: 'same' }).result)).toMatchObject({ code: 'INVALID_OPTIONS' });
    peer.send(...complete(await peer.next('ExecuteRequest'), 'once'));
    expect((await one.result).output).toBe('once');
  });

  test('a stop says `terminate` with the time that is left', async () => {
    const { peer, instance } = await joined();
    const stopped = instance.stop({ grace: 25_000 });
    expect(JSON.parse(String((await peer.next('Signal')).payload))).toEqual({ signal: 'terminate', grace_ms: 25_000 });
    peer.close();
    await stopped;
  });

  test('a message that only a host sends is counted as an error of the connection, which goes on', async () => {
    const { peer, instance } = await joined();
    peer.send('ExecuteRequest', 1, v1.encodeExecuteRequest({ taskId: 't', command: 'c', args: [], env: new Map() }));
    await until(() => statsOf(instance.id).connections[0]?.errorCount === 1);
    expect(instance.state).toBe('ready');
  });
});

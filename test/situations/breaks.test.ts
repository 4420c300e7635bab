// When things break on the way: links lost, agents frozen, killed, restarted; readers that are slow.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import * as v1 from '../../src/protocol/v1/messages.ts';
import {
  agentFile,
  authRequest,
  complete,
  dial,
  everyday,
  failureOf,
  type HandPeer,
  joinAs,
  openSpearlet,
  seen,
  startHollow,
  until,
} from './world.ts';

describe('a lost connection', () => {
  test('waiting executions are sent on the next connection; a sent one without a response ends as OUTCOME_UNKNOWN', async () => {
    const spearlet = openSpearlet({ reconnectWindow: 400 });
    const { environment, instance } = await startHollow(spearlet);
    const early = instance.execute({ command: 'before the first session' });
    const agent = await joinAs(environment);
    agent.send(...complete(await agent.next('ExecuteRequest'), 'early'));
    expect((await early.result).output).toBe('early');
    const sent = instance.execute({ command: 'sent' });
    await agent.next('ExecuteRequest');
    agent.reset();
    await seen(instance.state$, state => state === 'reconnecting');
    const waiting = instance.execute({ command: 'waiting' });
    const again = await joinAs(environment);
    const request = await again.next('ExecuteRequest');
    expect(v1.decodeExecuteRequest(Buffer.from(request.payload)).command).toBe('waiting');
    again.send(...complete(request, 'delivered'));
    expect((await waiting.result).output).toBe('delivered');
    // Nothing is sent twice, and nothing is guessed.
    expect(await failureOf(sent.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(again.received.filter(message => message.type === 'ExecuteRequest').length).toBe(1);
    again.close();
  });

  test('at the end of the reconnect window the instance ends, and executions that were never sent end as NOT_DELIVERED', async () => {
    const spearlet = openSpearlet({ reconnectWindow: 100 });
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    const sent = instance.execute({ command: 'sent' });
    await agent.next('ExecuteRequest');
    agent.close();
    await seen(instance.state$, state => state === 'reconnecting');
    const waiting = instance.execute({ command: 'waiting' });
    expect(await failureOf(sent.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await failureOf(waiting.result)).toMatchObject({ code: 'NOT_DELIVERED' });
    expect(await instance.exited).toMatchObject({ reason: 'link' });
  });

  test('waiting executions respect their own timeout and maxQueuedBytes', async () => {
    const spearlet = openSpearlet({ maxQueuedBytes: 10_000 });
    const { instance } = await startHollow(spearlet);
    const patient = instance.execute({ command: 'x', args: ['y'.repeat(8_000)] });
    expect(await failureOf(instance.execute({ command: 'x', args: ['y'.repeat(8_000)] }).result)).toMatchObject({ code: 'OVERLOADED' });
    expect(await failureOf(instance.execute({ command: 'x' }, { timeout: 30 }).result)).toMatchObject({ code: 'EXECUTION_TIMEOUT' });
    patient.cancel();
    const next = instance.execute({ command: 'x', args: ['y'.repeat(8_000)] });
    next.cancel();
    expect(await failureOf(next.result)).toMatchObject({ code: 'CANCELLED' });
  });

  test('serve() reconnects by itself, and answers earlier requests', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...everyday, args: [agentFile('reconnecting.js')] });
    const slow = instance.execute({ command: 'after-reconnect' });
    await seen(slow.updates$, update => update.output === 'cutting');
    await seen(instance.state$, state => state === 'reconnecting');
    expect((await slow.result).output).toBe('survived');
    expect(spearlet.stats().instances[0]!.reconnects).toBe(1);
  });

  test('output that an agent writes while it is disconnected comes before its result', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...everyday, args: [agentFile('reconnecting.js')] });
    const { output } = await instance.execute({ command: 'write-offline' }, { collect: true }).result;
    expect(output).toBe('said while offlinedone while offline');
    expect(spearlet.stats().instances[0]!.lateAnswers).toBe(0);
  });

  test('twenty abrupt ends of a foreign agent under load: each execution settles once, with its own answer or a typed error', async () => {
    const spearlet = openSpearlet({ reconnectWindow: 1_000 });
    const { environment, instance } = await startHollow(spearlet);
    const settled: Record<string, number> = {};
    let made = 0;
    let current = 0;
    // Every round has a load of its own: what was lost waits for the reconnect window while the next round goes on.
    const load = async (round: number): Promise<void> => {
      while (current === round) {
        const text = `${made++}`;
        const outcome = await instance.execute({ command: 'echo', args: [text] }).result.then(
          ({ output }) => (output === text ? 'own' : 'wrong'),
          error => error.code as string,
        );
        settled[outcome] = (settled[outcome] ?? 0) + 1;
        // Refusals settle at once: a load that went on would let nothing else happen.
        if (outcome === 'INSTANCE_STOPPED') return;
      }
    };
    /** Answers every request; resolves after 40 answers. */
    const answerAll = (agent: HandPeer): Promise<void> =>
      new Promise(resolve => {
        let answered = 0;
        const answer = (): void => {
          for (const message of agent.received.splice(0)) {
            if (message.type !== 'ExecuteRequest') continue;
            const { args } = v1.decodeExecuteRequest(Buffer.from(message.payload));
            agent.send(...complete(message, args[0]!));
            answered += 1;
          }
          if (answered >= 40) resolve();
        };
        agent.socket.on('data', answer);
        answer();
      });
    const loads: Promise<void>[] = [];
    for (let round = 0; round < 20; round += 1) {
      current = round;
      for (let each = 0; each < 8; each += 1) loads.push(load(round));
      const agent = await joinAs(environment);
      await answerAll(agent);
      if (round % 3 === 0) agent.reset();
      else if (round % 3 === 1) agent.socket.end();
      else agent.socket.end(v1.encodeFrame('ExecuteResponse', 1, { secs: 0, nanos: 0 }, 'cut off in the middle').subarray(0, 60));
      await agent.closed;
      await seen(instance.state$, state => state === 'reconnecting');
    }
    current = -1;
    const last = await joinAs(environment);
    void answerAll(last);
    await Promise.all(loads);
    last.close();
    expect(Object.keys(settled).filter(key => !['own', 'OUTCOME_UNKNOWN', 'NOT_DELIVERED'].includes(key))).toEqual([]);
    expect(Object.values(settled).reduce((a, b) => a + b)).toBe(made);
    expect(settled.own).toBeGreaterThanOrEqual(600);
    expect(instance.incarnation).toBe(1);
  });
});

describe('liveness', () => {
  const quick = { heartbeat: { interval: 100, misses: 3 }, reconnectWindow: 100 };

  test('a silent agent gets a heartbeat and answers; stats() has its round trip', async () => {
    const spearlet = openSpearlet({ heartbeat: { interval: 30, misses: 3 } });
    const instance = await spearlet.start(everyday);
    await until(() => spearlet.stats().instances[0]!.connections[0]!.roundTrip !== null);
    await sleep(300);
    expect(instance.state).toBe('ready');
    expect(spearlet.stats().instances[0]!.reconnects).toBe(0);
  });

  test('a frozen agent is detected, its end has the reason `heartbeat`', async () => {
    const spearlet = openSpearlet(quick);
    const instance = await spearlet.start(everyday);
    const waiting = instance.execute({ command: 'wait' });
    await seen(instance.state$, state => state === 'executing');
    process.kill(instance.pid!, 'SIGSTOP');
    // SIGCONT comes with SIGTERM, so the agent ends by itself.
    expect(await instance.exited).toMatchObject({ reason: 'heartbeat', code: 0, signal: null });
    expect(await failureOf(waiting.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(spearlet.events).toContainEqual(expect.objectContaining({ type: 'connection.closed', code: 'HEARTBEAT_LOST' }));
  });

  test('a host that was blocked itself closes no connection', async () => {
    const spearlet = openSpearlet(quick);
    const instance = await spearlet.start(everyday);
    for (let round = 0; round < 3; round += 1) {
      const until = performance.now() + 700;
      while (performance.now() < until) Math.sqrt(until);
      await sleep(30);
    }
    expect(instance.state).toBe('ready');
    expect((await instance.execute({ command: 'echo', args: ['alive'] }).result).output).toBe('alive');
    expect(spearlet.stats().instances[0]!.reconnects).toBe(0);
  });

  test('two ends that echo every heartbeat do not echo for ever', async () => {
    const spearlet = openSpearlet({ heartbeat: { interval: 20, misses: 50 } });
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    agent.socket.on('data', () => {
      for (const message of agent.received.splice(0))
        if (message.type === 'Heartbeat') agent.send('Heartbeat', message.requestId, message.payload);
    });
    agent.send('Heartbeat', 77, 'x');
    await sleep(300);
    const { messagesSent } = spearlet.stats().instances[0]!.connections[0]!;
    expect(messagesSent).toBeLessThan(30);
    expect(instance.state).toBe('ready');
    agent.close();
  });
});

describe('restarts', () => {
  const restart = { intensity: 2, period: 60_000, backoff: { min: 1, max: 20 } };

  test('permanent: a killed program is restarted with a new token; waiting executions survive', async () => {
    const spearlet = openSpearlet({ restart });
    const instance = await spearlet.start({ ...everyday, restart: 'permanent' });
    const first = instance.pid!;
    const lost = instance.execute({ command: 'wait' });
    await seen(instance.state$, state => state === 'executing');
    process.kill(first, 'SIGKILL');
    expect(await failureOf(lost.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const waiting = instance.execute({ command: 'pid' });
    const second = Number((await waiting.result).output);
    expect(second).not.toBe(first);
    expect(instance.incarnation).toBe(2);
    const exits = spearlet.events.flatMap(event => (event.type === 'instance.exited' ? [event.report] : []));
    expect(exits).toMatchObject([{ incarnation: 1, reason: 'crashed', signal: 'SIGKILL' }]);
  });

  test('one failure more than the restart intensity, and the instance is given up', async () => {
    const spearlet = openSpearlet({ restart });
    const instance = await spearlet.start({ ...everyday, restart: 'permanent' });
    for (let fall = 1; fall <= 3; fall += 1) {
      await seen(instance.state$, state => state === 'ready');
      const exit = instance.execute({ command: 'exit', args: ['1'] });
      await failureOf(exit.result);
    }
    expect(await instance.exited).toMatchObject({ reason: 'restart', incarnation: 3, code: 1 });
    const refused = await failureOf(instance.execute({ command: 'echo' }).result);
    expect(refused).toMatchObject({ code: 'INSTANCE_STOPPED', cause: expect.objectContaining({ code: 'RESTART_LIMIT' }) });
  });

  test('transient restarts after a failure only; temporary never', async () => {
    const spearlet = openSpearlet({ restart });
    const clean = await spearlet.start({ ...everyday, restart: 'transient' });
    await failureOf(clean.execute({ command: 'exit', args: ['0'] }).result);
    expect(await clean.exited).toMatchObject({ reason: 'completed', code: 0, incarnation: 1 });
    const failing = await spearlet.start({ ...everyday, restart: 'transient' });
    await failureOf(failing.execute({ command: 'exit', args: ['5'] }).result);
    expect((await failing.execute({ command: 'echo', args: ['again'] }).result).output).toBe('again');
    const once = await spearlet.start(everyday);
    await failureOf(once.execute({ command: 'exit', args: ['5'] }).result);
    expect(await once.exited).toMatchObject({ reason: 'crashed', incarnation: 1 });
  });

  test('the first start is not retried under any policy; a stop in backoff is final', async () => {
    const spearlet = openSpearlet({ restart: { ...restart, backoff: { min: 60_000, max: 60_000 } } });
    expect(await failureOf(spearlet.start({ artifactId: 'a', command: 'false', restart: 'permanent' }))).toMatchObject({
      code: 'EXITED_BEFORE_READY',
    });
    const instance = await spearlet.start({ ...everyday, restart: 'permanent' });
    await failureOf(instance.execute({ command: 'exit', args: ['1'] }).result);
    await seen(instance.state$, state => state === 'backoff');
    const waiting = instance.execute({ command: 'echo' });
    expect(await instance.stop()).toMatchObject({ incarnation: 1, reason: 'crashed' });
    expect(await failureOf(waiting.result)).toMatchObject({ code: 'NOT_DELIVERED' });
    expect(spearlet.events.filter(event => event.type === 'instance.spawned').length).toBe(2);
  });

  test('at most maxConcurrentStarts instances start at once; the connect timeout begins after the wait', async () => {
    const spearlet = openSpearlet({ maxConcurrentStarts: 2, connectTimeout: 5_000 });
    const slow = { artifactId: 'slow', command: 'sh', args: ['-c', `sleep 0.2; exec "${process.execPath}" "${agentFile('everyday.js')}"`] };
    const starts = Array.from({ length: 6 }, () => spearlet.start(slow));
    let starting = 0;
    let most = 0;
    spearlet.events$.subscribe(({ type }) => {
      if (type === 'instance.spawned') starting += 1;
      if (type === 'connection.opened') starting -= 1;
      most = Math.max(most, starting);
    });
    const instances = await Promise.all(starts);
    expect(instances.length).toBe(6);
    expect(most).toBe(2);
  });
});

describe('slow readers', () => {
  test('on wire v1, beyond 1 MiB the connection is paused, nothing is lost, and the pause does not count as silence', async () => {
    const spearlet = openSpearlet({ protocols: [1], heartbeat: { interval: 50, misses: 2 } });
    const instance = await spearlet.start(everyday);
    const flood = instance.execute({ command: 'flood', args: ['200', '65536'] });
    let bytes = 0;
    let paused = false;
    for await (const { output = '' } of flood) {
      if (bytes === 0) {
        await until(() => spearlet.stats().instances[0]!.connections[0]!.paused);
        paused = true;
        await sleep(300);
      }
      bytes += output.length;
    }
    expect({ bytes, paused }).toEqual({ bytes: 200 * 65_536, paused: true });
    expect(instance.state).toMatch(/ready|executing/);
    expect(spearlet.stats().instances[0]!.reconnects).toBe(0);
  });

  test('collect joins output up to its bound and counts the rest to the byte; a late reader gets a gap', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const big = await instance.execute({ command: 'flood', args: ['20', '1048576'] }, { collect: true }).result;
    expect(big.output!.length + big.truncatedBytes).toBe(20 * 2 ** 20);
    expect(big.truncatedBytes).toBe(4 * 2 ** 20);
    const unread = instance.execute({ command: 'flood', args: ['10', '10000'] });
    await unread.result;
    const updates = [];
    for await (const update of unread) updates.push(update);
    expect(updates.map(({ status, gap, output }) => [status, gap?.to ?? output?.length ?? 0])).toEqual([
      ['started', 0],
      ['running', 40_000],
      ...Array.from({ length: 6 }, () => ['running', 10_000]),
      ['completed', 0],
    ]);
  });

  test('on wire v1, a result that was sent before the program ended is not lost to a slow reader', async () => {
    const spearlet = openSpearlet({ protocols: [1] });
    const instance = await spearlet.start({ ...everyday, args: [agentFile('flood-and-leave.js')] });
    const flood = instance.execute({ command: 'flood' });
    let bytes = 0;
    for await (const { output = '' } of flood) {
      if (bytes === 0 && output !== '') {
        await until(() => spearlet.stats().instances[0]!.connections[0]!.paused);
        instance.send('leave');
        await instance.exited;
      }
      bytes += output.length;
    }
    expect(bytes).toBe(22 * 65_536 + 'the end'.length);
    expect((await flood.result).output).toBe('the end');
  });

  test('stderr is kept for the report, even if the program floods stdout', async () => {
    const spearlet = openSpearlet();
    const script = 'echo important >&2; head -c 3000000 /dev/zero; exit 3';
    expect(await failureOf(spearlet.start({ artifactId: 'a', command: 'sh', args: ['-c', script] }))).toMatchObject({
      stderr: 'important',
    });
    const report = spearlet.events.flatMap(event => (event.type === 'instance.exited' ? [event.report] : []))[0]!;
    expect(report.outputBytes - report.droppedBytes).toBe(64 * 1024);
    expect(report.outputBytes).toBe(3_000_010);
  });

  test('messages that an agent sends before its AuthResponse are handled after it', async () => {
    const spearlet = openSpearlet();
    const expected = spearlet.expect({ artifactId: 'eager' });
    const peer = await dial(expected.environment.SPEARLET_ADDR);
    peer.socket.write(
      Buffer.concat([
        v1.encodeFrame('AuthRequest', 1, { secs: 0, nanos: 0 }, authRequest(expected.environment)),
        v1.encodeFrame('Heartbeat', 9, { secs: 0, nanos: 0 }, 'early'),
      ]),
    );
    await peer.next('AuthResponse');
    expect(await peer.next('Heartbeat')).toMatchObject({ requestId: 9 });
    await expected.stop({ grace: 0 });
  });
});

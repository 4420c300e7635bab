// How things end: asked, signalled, killed; at any moment of a start; and a host that ends by itself afterwards.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentFile, everyday, failureOf, joinAs, openSpearlet, seen, startHollow } from './world.ts';

const stubborn = { artifactId: 'stubborn', command: process.execPath };

describe('the ladder', () => {
  test('an agent is asked first, with the grace it has, and may finish what it is doing', async () => {
    const spearlet = openSpearlet();
    const { environment, instance } = await startHollow(spearlet);
    const agent = await joinAs(environment);
    await seen(instance.state$, state => state === 'ready');
    const stopping = instance.stop({ grace: 60_000 });
    const signal = await agent.next('Signal');
    expect(JSON.parse(signal.payload.toString())).toEqual({ signal: 'terminate', grace_ms: 60_000 });
    process.kill(instance.pid!, 'SIGKILL');
    expect(await stopping).toMatchObject({ reason: 'stopped', signal: 'SIGKILL' });
  });

  test('one that ignores that and SIGTERM is killed at the end of its grace', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...stubborn, args: [agentFile('stubborn.js'), 'connects'] });
    expect(await instance.stop({ grace: 300 })).toMatchObject({
      reason: 'stopped',
      signal: 'SIGKILL',
      stderr: 'still here\nSIGTERM ignored',
    });
  });

  test('an agent that somebody sends a SIGTERM gives up what it is doing, says so, and ends in order', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(everyday);
    const execution = instance.execute({ command: 'wait' });
    await seen(execution.updates$, ({ status }) => status === 'started');
    process.kill(instance.pid!, 'SIGTERM');
    expect(await failureOf(execution.result)).toMatchObject({ code: 'EXECUTION_FAILED', error: 'this agent has to end' });
    expect(await instance.exited).toMatchObject({ reason: 'completed', code: 0, signal: null });
  });

  test('without an agent connected SIGTERM comes at once', async () => {
    const spearlet = openSpearlet();
    const starting = spearlet.start({ artifactId: 'a', command: 'sh', args: ['-c', 'sleep 1000'] });
    const spawned = (await seen(spearlet.events$, event => event.type === 'instance.spawned')) as { instanceId: string };
    const report = await spearlet.get(spawned.instanceId)!.stop({ grace: 60_000 });
    expect(report).toMatchObject({ reason: 'stopped', signal: 'SIGTERM' });
    expect(await failureOf(starting)).toMatchObject({ code: 'INSTANCE_STOPPED' });
  });

  test('the log says how a program has ended: as information after a stop, else as a warning', async () => {
    const lines: string[] = [];
    const logger: Record<string, unknown> = { child: () => logger };
    for (const level of ['trace', 'debug', 'info', 'warn', 'error'])
      logger[level] = ({ reason }: { reason?: string }, message: string) => {
        if (message === 'program ended') lines.push(`${level} ${reason}`);
      };
    const spearlet = openSpearlet({ logger: logger as never });
    const [stopped, killed] = await Promise.all([spearlet.start(everyday), spearlet.start(everyday)]);
    await stopped.stop();
    process.kill(killed.pid!, 'SIGKILL');
    await killed.exited;
    expect(lines).toEqual(['info stopped', expect.stringMatching(/^warn /)]);
  });

  test('an expected agent may be stopped twice: both calls resolve with the same report', async () => {
    const spearlet = openSpearlet();
    const expected = spearlet.expect({ artifactId: 'outside' });
    const failed = failureOf(expected.ready);
    const report = await expected.stop();
    expect(await expected.stop()).toBe(report);
    expect((await failed).code).toBe('INSTANCE_STOPPED');
  });

  test('a second stop without grace ends a patient one', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...stubborn, args: [agentFile('stubborn.js'), 'connects'] });
    const patient = instance.stop({ grace: 100_000 });
    const urgent = instance.stop({ grace: 0 });
    expect(await urgent).toBe(await patient);
    expect(await instance.stop()).toMatchObject({ signal: 'SIGKILL' });
  });

  test('the whole group goes: children of the agent too', async () => {
    const spearlet = openSpearlet({ connectTimeout: 400 });
    // Three levels; the census finds any that is left.
    const script = 'sleep 1000 & (sleep 1000 & sleep 1000) & echo started >&2; wait';
    expect(await failureOf(spearlet.start({ artifactId: 'a', command: 'sh', args: ['-c', script] }))).toMatchObject({
      code: 'CONNECT_TIMEOUT',
      stderr: 'started',
    });
  });

  test('what is in flight when it is stopped settles, and what comes later is refused', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...stubborn, args: [agentFile('stubborn.js'), 'connects'] });
    const sent = instance.execute({ command: 'anything' });
    await seen(instance.state$, state => state === 'executing');
    const stopping = instance.stop({ grace: 100 });
    expect(await failureOf(instance.execute({ command: 'later' }).result)).toMatchObject({ code: 'INSTANCE_STOPPED' });
    await stopping;
    expect(await failureOf(sent.result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });
});

test('a stop at any moment of a start leaves nothing, and one terminal state', async () => {
  const spearlet = openSpearlet();
  const moments = ['allocating', 'spawned', 'authenticating', 'ready'];
  for (const moment of moments) {
    const fits = (event: { type: string; state?: string }) =>
      moment === 'spawned' ? event.type === 'instance.spawned' : event.state === moment;
    const reached = seen(spearlet.events$, event => fits(event as never)) as Promise<{ instanceId: string }>;
    const starting = spearlet.start(everyday).catch((error: { code: string }) => error.code);
    const { instanceId } = await reached;
    const instance = spearlet.get(instanceId);
    await instance?.stop({ grace: 0 });
    const outcome = await starting;
    if (moment !== 'ready') expect({ moment, outcome }).toEqual({ moment, outcome: 'INSTANCE_STOPPED' });
    const states = spearlet.events.flatMap(event =>
      event.type === 'instance.state' && event.instanceId === instanceId ? [event.state] : [],
    );
    expect(states.filter(state => state === 'stopped')).toEqual(['stopped']);
    expect(states.at(-1)).toBe('stopped');
  }
  expect(spearlet.instances).toEqual([]);
});

test('after spearlet.stop() the host process ends by itself', async () => {
  const host = spawn(process.execPath, [join(import.meta.dirname, '..', 'agents', 'host.js')], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  host.stdout.on('data', chunk => {
    text += chunk;
  });
  const [code] = (await once(host, 'close')) as [number];
  expect({ code, text }).toEqual({ code: 0, text: 'worked\nstopped\n' });
});

test('the token is nowhere but in the environment of the program', async () => {
  const inspected: string[] = [];
  const seenValues = new WeakSet();
  const flat = (value: unknown): string =>
    JSON.stringify(value, (_, each) => {
      if (typeof each === 'bigint') return String(each);
      if (typeof each !== 'object' || each === null) return each;
      if (seenValues.has(each)) return undefined;
      seenValues.add(each);
      return each;
    }) ?? '';
  const spearlet = openSpearlet({ inspect: ((event: unknown) => inspected.push(flat(event))) as never });
  const { environment, instance } = await startHollow(spearlet);
  const wrong = await joinAs({ ...environment, SPEARLET_TOKEN: `${environment.SPEARLET_TOKEN}x` }).catch((error: Error) => error);
  expect(wrong).toBeInstanceOf(Error);
  const agent = await joinAs(environment);
  await seen(instance.state$, state => state === 'ready');
  instance.execute({ command: 'echo' });
  await agent.next('ExecuteRequest');
  const received = agent.received.map(message => message.payload.toString()).join();
  const { readFileSync } = await import('node:fs');
  const commandLine = readFileSync(`/proc/${instance.pid}/cmdline`, 'utf8');
  const stats = JSON.stringify(spearlet.stats());
  const report = await instance.stop({ grace: 0 });
  const places = {
    stats,
    log: spearlet.log.join(),
    events: flat(spearlet.events),
    inspected: inspected.join(),
    report: flat(report),
    received,
    commandLine,
    instance: flat({ ...instance }),
  };
  expect(inspected.length).toBeGreaterThan(20);
  for (const [place, text] of Object.entries(places))
    expect({ place, holdsToken: text.includes(environment.SPEARLET_TOKEN!) }).toEqual({ place, holdsToken: false });
});

test('an agent that dies of a real-time signal has crashed, and names the signal', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(everyday);
  process.kill(instance.pid!, 40);
  expect(await instance.exited).toMatchObject({ reason: 'crashed', code: null, signal: 'SIGRTMIN+6' });
});

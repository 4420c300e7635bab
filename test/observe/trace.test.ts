// The trace: one flat record for each step of a chart, without secrets, and bounded.
import { describe, expect, test } from 'vitest';
import { bounds } from '../../src/limits.ts';
import { guardedInspect } from '../../src/observe/log.ts';
import { openStage, WALL } from './stage.ts';

const exited = { type: 'process.exited', exitCode: 9, signal: null, status: 9 } as const;

describe('records', () => {
  test('show the creation, events, transitions and end of each actor, with the names of the charts', async () => {
    const stage = openStage();
    stage.follow();
    stage.start('a');
    stage.clock.increment(30);
    await stage.connect('a');
    stage.sendToInstance('a', exited);
    stage.sendToInstance('a', { type: 'process.closed' });
    stage.clock.increment(250);

    const [created] = stage.records.filter(({ kind, machine }) => kind === 'created' && machine === 'instance');
    expect(created).toMatchObject({ at: WALL, instanceId: 'a', connectionId: null, event: null });
    const mine = stage.records.filter(({ actor }) => actor === created!.actor);
    expect(mine.flatMap(({ kind, to }) => (kind === 'transition' ? to : []))).toEqual([
      'running.allocating.queued',
      'running.allocating.binding',
      'running.started.connecting.listening',
      'running.started.connecting.authenticating',
      'running.started.connected.ready',
      'running.exiting.readingOutput',
      'running.exiting.cleaningUp',
      'running.ended',
      'stopped',
    ]);
    expect(mine.find(({ kind, event }) => kind === 'transition' && event === exited.type)).toEqual({
      at: WALL + 30,
      kind: 'transition',
      actor: created!.actor,
      parent: created!.parent,
      machine: 'instance',
      instanceId: 'a',
      connectionId: null,
      event: 'process.exited',
      facts: { exitCode: 9, signal: null },
      source: null,
      from: 'running.started.connected.ready',
      to: 'running.exiting.readingOutput',
      guard: null,
      edge: 'instance.running.started.connected --process.exited--> instance.running.exiting',
      actions: ['closeSession', 'noteCrash'],
    });
    expect(mine.at(-1)).toMatchObject({ kind: 'ended', event: 'done' });

    const theirs = stage.records.filter(({ machine }) => machine === 'connection');
    expect(new Set(theirs.map(({ connectionId }) => connectionId))).toEqual(new Set(['a/connection-1']));
    expect(theirs.filter(({ kind }) => kind === 'transition').map(({ event, to }) => `${event} → ${to}`)).toEqual([
      'xstate.init → authenticating.accepted',
      'auth.received → authenticating.verifying',
      'xstate.done.actor.authenticator → authenticating.claiming',
      'session.granted → authenticating.welcomed',
      'session.used → ready.heartbeat.idle, ready.reading.flowing',
    ]);
    expect(theirs.at(-1)).toMatchObject({ kind: 'ended', event: 'stopped' });
    const session = stage.records.find(({ kind, machine }) => kind === 'created' && machine === 'session')!;
    expect(session).toMatchObject({ parent: created!.actor, instanceId: 'a', connectionId: null });
    expect(stage.records.filter(({ kind, event }) => kind === 'event' && event === 'session.opened')).toMatchObject([
      { actor: session.actor, source: theirs[0]!.actor, facts: { connectionId: 'a/connection-1' } },
      { actor: created!.actor, source: session.actor, facts: { connectionId: 'a/connection-1', epoch: 'new' } },
    ]);
  });

  test('contain only the fields of an event that are known to be safe', () => {
    const stage = openStage();
    stage.follow();
    stage.start('a');
    const payload = { token: 'hunter2', environment: { SECRET: 'hunter2' }, args: ['hunter2'], code: { deep: 'hunter2' } };
    stage.sendToInstance('a', { ...exited, ...payload } as never);
    expect(stage.records.find(({ kind, event }) => kind === 'event' && event === exited.type)!.facts).toEqual({
      exitCode: 9,
      signal: null,
    });
    const everything = JSON.stringify([stage.records, stage.trace.of('a')!.transitions]);
    expect(everything).toContain('process.exited');
    expect(everything).not.toContain('hunter2');
    for (const record of stage.records)
      for (const value of Object.values(record)) expect(['string', 'number', 'object']).toContain(typeof value);
  });

  test('contain the beginning of a message, without any text that could be a token', () => {
    const stage = openStage();
    stage.start('a');
    const token = `${'aB3_'.repeat(10)}xyz`;
    stage.sendToInstance('a', {
      type: 'process.failed',
      code: 'SPAWN_FAILED',
      message: `got ${token}: ${'long '.repeat(1_000)}`,
    });
    const { facts } = stage.trace.of('a')!.transitions.find(({ record }) => record.event === 'process.failed')!.record;
    expect(facts).toEqual({ code: 'SPAWN_FAILED', message: expect.stringMatching(/^got …: long /) });
    expect(facts.message).toHaveLength(bounds.tracedText);
  });

  test('show that a chart has ended with an error', () => {
    const stage = openStage();
    stage.follow();
    stage.start('a');
    stage.sendToInstance('a', null as never);
    expect(stage.records.filter(({ kind }) => kind === 'ended')).toMatchObject([{ instanceId: 'a', event: 'error' }]);
  });

  test('are not given to a listener that has left', () => {
    const stage = openStage();
    const leave = stage.follow();
    leave();
    stage.start('a');
    expect(stage.records).toEqual([]);
  });
});

describe('the transitions of an actor', () => {
  const isRepeated = ({ count }: { count: number }) => count > 1;

  test('repeated ones are kept once, so that they do not displace others', async () => {
    const stage = openStage();
    stage.start('a');
    await stage.connect('a');
    for (let i = 0; i < 5_000; i += 1) {
      stage.sendToInstance('a', { type: 'activity.started' });
      stage.clock.increment(1);
      stage.sendToInstance('a', { type: 'activity.idle' });
    }
    const { transitions } = stage.trace.of('a')!;
    expect(transitions.filter(isRepeated).map(({ record, count, first }) => [record.event, record.at, count, first])).toEqual([
      ['activity.started', WALL + 4_999, 5_000, WALL],
      ['activity.idle', WALL + 5_000, 5_000, WALL + 1],
    ]);
    expect(transitions[0]!.record.to).toBe('running.allocating.queued');

    const heartbeat = stage.trace.of('a')!.connection('connection-1')!;
    const known = heartbeat.transitions.length;
    for (let i = 0; i < 300; i += 1) {
      stage.sendToConnection('connection-1', { type: 'link.silent' });
      stage.sendToConnection('connection-1', { type: 'link.silent' });
      stage.sendToConnection('connection-1', { type: 'link.heard' });
    }
    expect(
      stage.trace
        .of('a')!
        .connection('connection-1')!
        .transitions.slice(known)
        .map(({ record, count }) => [record.from, record.to, count]),
    ).toEqual([
      ['ready.heartbeat.idle', 'ready.heartbeat.awaiting', 300],
      ['ready.heartbeat.awaiting', 'ready.heartbeat.awaiting', 300],
      ['ready.heartbeat.awaiting', 'ready.heartbeat.suspect', 300],
      ['ready.heartbeat.suspect', 'ready.heartbeat.idle', 300],
    ]);
  });

  test('the same transition with another code is kept separately', async () => {
    const stage = openStage();
    stage.start('a');
    await stage.connect('a');
    for (const code of ['LINK_LOST', 'LINK_LOST', 'PROTOCOL_ERROR']) {
      stage.sendToConnection('connection-1', { type: 'link.closed', code, message: 'm' });
      await stage.connect('a');
    }
    const losses = stage.trace.of('a')!.transitions.filter(({ record }) => record.to === 'running.started.reconnecting');
    expect(losses.map(({ record, count }) => [record.facts.code, count])).toEqual([
      ['LINK_LOST', 2],
      ['PROTOCOL_ERROR', 1],
    ]);
  });

  test('are bounded: of a program that fails again and again the last ones are kept', async () => {
    const stage = openStage();
    stage.start('a', 'instance-1', 'permanent');
    for (let i = 0; i < 200; i += 1) {
      await stage.connect('a');
      stage.sendToInstance('a', { ...exited, exitCode: i });
      stage.sendToInstance('a', { type: 'process.closed' });
      for (const ms of [250, 200, 60_000]) stage.clock.increment(ms);
    }
    const { transitions } = stage.trace.of('a')!;
    expect(transitions).toHaveLength(bounds.keptTransitions);
    expect(transitions.filter(({ record }) => record.event === exited.type).map(({ record }) => record.facts.exitCode)).toEqual([199]);
  });

  test('1,000 instances one after the other, with one actor id, leave nothing once forgotten', () => {
    const stage = openStage();
    const known = () => ids.filter(id => stage.trace.of(id) !== undefined).length;
    const ids = Array.from({ length: 1_000 }, (_, i) => `instance-${i}`);
    for (const id of ids) {
      stage.start(id);
      expect(stage.trace.of(id)!.transitions.length).toBe(3);
      stage.sendToInstance(id, { type: 'stop', grace: 0 });
      stage.sendToInstance(id, { type: 'process.exited', exitCode: 0, signal: null, status: 0 });
      stage.sendToInstance(id, { type: 'process.closed' });
      stage.trace.forget(id);
    }
    expect(known()).toBe(0);
    expect(stage.supervisor.getSnapshot().context.instances).toEqual([]);
  });
});

describe('timeouts', () => {
  test('are listed with the time at which they are due, until they are due, cancelled or restarted', async () => {
    const stage = openStage();
    const due = () => Object.fromEntries(stage.trace.of('a')!.timers);
    stage.start('a');
    expect(due()).toEqual({ 'xstate.after.connectTimeout.instance.running.started.connecting': 30_000 });
    stage.clock.increment(1_000);
    await stage.connect('a');
    expect(due()).toEqual({ 'xstate.after.stableUptime.instance.running.started.connected': 61_000 });
    const connection = () => Object.fromEntries(stage.trace.of('a')!.connection('connection-1')!.timers);
    expect(connection()).toEqual({});
    stage.sendToConnection('connection-1', { type: 'link.silent' });
    expect(connection()).toEqual({ 'xstate.after.heartbeat.connection.ready.heartbeat.awaiting': 11_000 });
    stage.clock.increment(5_000);
    stage.sendToConnection('connection-1', { type: 'link.heard' });
    expect(connection()).toEqual({});
    stage.sendToConnection('connection-1', { type: 'link.silent' });
    expect(connection()).toEqual({ 'xstate.after.heartbeat.connection.ready.heartbeat.awaiting': 16_000 });
    stage.clock.increment(10_000);
    expect(connection()).toEqual({});
    stage.clock.increment(45_000);
    expect(due()).toEqual({});
    stage.sendToInstance('a', { type: 'stop', grace: 500 });
    expect(due()).toEqual({
      'xstate.after.gracePeriod.instance.running.stopping.graceful': 66_000,
      'xstate.after.signalDelay.instance.running.stopping.graceful.asked': 62_000,
    });
  });
});

test('an observer that throws does not keep events from the others', () => {
  const seen: string[] = [];
  const broken = () => {
    throw new Error('broken');
  };
  const inspect = guardedInspect(broken, (event: string) => seen.push(`function ${event}`), { next: broken }, {}, {
    next: (event: string) => seen.push(`object ${event}`),
  } as never);
  inspect('e');
  expect(seen).toEqual(['function e', 'object e']);
});

test('each instance has connections of its own: their actor ids are the same in all of them', async () => {
  const stage = openStage();
  for (const [id, actorId] of [
    ['a', 'instance-1'],
    ['b', 'instance-2'],
  ] as const) {
    stage.start(id, actorId);
    stage.sendToInstance(id, { type: 'listener.bound', address: '127.0.0.1:9100' } as never);
    stage.sendToInstance(id, { type: 'process.spawned', pid: 1 } as never);
    await stage.connect(id);
  }
  const labels = ['a', 'b'].map(id => stage.trace.of(id)!.connection('connection-1')!.transitions[0]!.record.connectionId);
  expect(labels).toEqual(['a/connection-1', 'b/connection-1']);
});

// The trace: one flat record for each happening, nothing secret in it, and never more than so many.
import { describe, expect, test } from 'vitest';
import { bounds } from '../../src/limits.ts';
import { guardedInspect } from '../../src/observe/log.ts';
import { openStage, WALL } from './stage.ts';

const exited = { type: 'process.exited', exitCode: 9, signal: null } as const;

describe('records', () => {
  test('tell of birth, events, moves and ends, in the words of the charts', async () => {
    const stage = openStage();
    stage.follow();
    stage.start('a');
    stage.clock.increment(30);
    await stage.connect('a');
    stage.tell('a', exited);
    stage.tell('a', { type: 'process.closed' });
    stage.clock.increment(250);

    const [born] = stage.records.filter(({ kind, machine }) => kind === 'born' && machine === 'instance');
    expect(born).toMatchObject({ at: WALL, instanceId: 'a', connectionId: null, event: null });
    const mine = stage.records.filter(({ actor }) => actor === born!.actor);
    expect(mine.flatMap(({ kind, to }) => (kind === 'moved' ? to : []))).toEqual([
      'running.allocating.queued',
      'running.allocating.binding',
      'running.started.connecting.listening',
      'running.started.connecting.authenticating',
      'running.started.connected.ready',
      'running.exiting.draining',
      'running.exiting.cleaningUp',
      'running.ended',
      'stopped',
    ]);
    expect(mine.find(({ kind, event }) => kind === 'moved' && event === exited.type)).toEqual({
      at: WALL + 30,
      kind: 'moved',
      actor: born!.actor,
      parent: born!.parent,
      machine: 'instance',
      instanceId: 'a',
      connectionId: null,
      event: 'process.exited',
      facts: { exitCode: 9, signal: null },
      source: null,
      from: 'running.started.connected.ready',
      to: 'running.exiting.draining',
      guard: null,
      edge: 'instance.running.started.connected --process.exited--> instance.running.exiting',
      actions: ['closeSession', 'noteCrash'],
    });
    expect(mine.at(-1)).toMatchObject({ kind: 'ended', event: 'done' });

    const theirs = stage.records.filter(({ machine }) => machine === 'connection');
    expect(new Set(theirs.map(({ connectionId }) => connectionId))).toEqual(new Set(['a/connection-1']));
    expect(theirs.filter(({ kind }) => kind === 'moved').map(({ event, to }) => `${event} → ${to}`)).toEqual([
      'xstate.init → accepted',
      'auth.received → authenticating.verifying',
      'xstate.done.actor.authenticator → authenticating.claiming',
      'session.granted → ready.heartbeat.idle, ready.reading.flowing',
    ]);
    expect(theirs.at(-1)).toMatchObject({ kind: 'ended', event: 'stopped' });
    expect(stage.records.find(({ kind, event }) => kind === 'event' && event === 'session.opened')).toMatchObject({
      actor: born!.actor,
      source: theirs[0]!.actor,
      facts: { connectionId: 'a/connection-1' },
    });
  });

  test('hold what is known to be harmless of an event, and no other field', () => {
    const stage = openStage();
    stage.follow();
    stage.start('a');
    const payload = { token: 'hunter2', environment: { SECRET: 'hunter2' }, args: ['hunter2'], code: { deep: 'hunter2' } };
    stage.tell('a', { ...exited, ...payload } as never);
    expect(stage.records.find(({ kind, event }) => kind === 'event' && event === exited.type)!.facts).toEqual({
      exitCode: 9,
      signal: null,
    });
    const everything = JSON.stringify([stage.records, stage.trace.of('a')!.moves]);
    expect(everything).toContain('process.exited');
    expect(everything).not.toContain('hunter2');
    for (const record of stage.records)
      for (const value of Object.values(record)) expect(['string', 'number', 'object']).toContain(typeof value);
  });

  test('hold the beginning of a message, and nothing in it that could be a token', () => {
    const stage = openStage();
    stage.start('a');
    const token = `${'aB3_'.repeat(10)}xyz`;
    stage.tell('a', { type: 'process.failed', code: 'SPAWN_FAILED', message: `got ${token}: ${'long '.repeat(1_000)}`, final: true });
    const { facts } = stage.trace.of('a')!.moves.find(({ record }) => record.event === 'process.failed')!.record;
    expect(facts).toEqual({ code: 'SPAWN_FAILED', message: expect.stringMatching(/^got …: long /), final: true });
    expect(facts.message).toHaveLength(bounds.tracedText);
  });

  test('a chart that fails is told to have ended so', () => {
    const stage = openStage();
    stage.follow();
    stage.start('a');
    stage.tell('a', null as never);
    expect(stage.records.filter(({ kind }) => kind === 'ended')).toMatchObject([{ instanceId: 'a', event: 'error' }]);
  });

  test('whoever follows no more hears no more', () => {
    const stage = openStage();
    const leave = stage.follow();
    leave();
    stage.start('a');
    expect(stage.records).toEqual([]);
  });
});

describe('the story of an actor', () => {
  const isRepeated = ({ count }: { count: number }) => count > 1;

  test('keeps what is repeated once, so that what matters is not washed out', async () => {
    const stage = openStage();
    stage.start('a');
    await stage.connect('a');
    for (let i = 0; i < 5_000; i += 1) {
      stage.tell('a', { type: 'activity.started' });
      stage.clock.increment(1);
      stage.tell('a', { type: 'activity.idle' });
    }
    const { moves } = stage.trace.of('a')!;
    expect(moves.filter(isRepeated).map(({ record, count, first }) => [record.event, record.at, count, first])).toEqual([
      ['activity.started', WALL + 4_999, 5_000, WALL],
      ['activity.idle', WALL + 5_000, 5_000, WALL + 1],
    ]);
    expect(moves[0]!.record.to).toBe('running.allocating.queued');

    const heartbeat = stage.trace.of('a')!.connection('connection-1')!;
    const known = heartbeat.moves.length;
    for (let i = 0; i < 300; i += 1) {
      stage.hear('connection-1', { type: 'link.heard' });
      stage.hear('connection-1', { type: 'link.silent' });
      stage.hear('connection-1', { type: 'link.heard' });
    }
    expect(
      stage.trace
        .of('a')!
        .connection('connection-1')!
        .moves.slice(known)
        .map(({ record, count }) => [record.from, record.to, count]),
    ).toEqual([
      ['ready.heartbeat.idle', 'ready.heartbeat.idle', 300],
      ['ready.heartbeat.idle', 'ready.heartbeat.awaiting', 300],
      ['ready.heartbeat.awaiting', 'ready.heartbeat.idle', 300],
    ]);
  });

  test('the same transition for another reason is another', async () => {
    const stage = openStage();
    stage.start('a');
    await stage.connect('a');
    for (const code of ['LINK_LOST', 'LINK_LOST', 'PROTOCOL_ERROR']) {
      stage.hear('connection-1', { type: 'link.closed', code, message: 'm' });
      await stage.connect('a');
    }
    const losses = stage.trace.of('a')!.moves.filter(({ record }) => record.to === 'running.started.reconnecting');
    expect(losses.map(({ record, count }) => [record.facts.code, count])).toEqual([
      ['LINK_LOST', 2],
      ['PROTOCOL_ERROR', 1],
    ]);
  });

  test('is bounded: a program that falls for ever leaves the last moves of it', async () => {
    const stage = openStage();
    stage.start('a', 'instance-1', 'permanent');
    for (let i = 0; i < 200; i += 1) {
      await stage.connect('a');
      stage.tell('a', { ...exited, exitCode: i });
      stage.tell('a', { type: 'process.closed' });
      for (const ms of [250, 200, 60_000]) stage.clock.increment(ms);
    }
    const { moves } = stage.trace.of('a')!;
    expect(moves).toHaveLength(bounds.keptTransitions);
    expect(moves.filter(({ record }) => record.event === exited.type).map(({ record }) => record.facts.exitCode)).toEqual([199]);
  });

  test('1,000 instances one after the other, under one name, leave nothing once forgotten', () => {
    const stage = openStage();
    const known = () => ids.filter(id => stage.trace.of(id) !== undefined).length;
    const ids = Array.from({ length: 1_000 }, (_, i) => `instance-${i}`);
    for (const id of ids) {
      stage.start(id);
      expect(stage.trace.of(id)!.moves.length).toBe(3);
      stage.tell(id, { type: 'stop', grace: 0 });
      stage.tell(id, { type: 'process.exited', exitCode: 0, signal: null });
      stage.tell(id, { type: 'process.closed' });
      stage.trace.forget(id);
    }
    expect(known()).toBe(0);
    expect(stage.supervisor.getSnapshot().context.instances).toEqual([]);
  });
});

describe('timeouts', () => {
  test('are known with the moment they are due, until they are due, cancelled or begun anew', async () => {
    const stage = openStage();
    const due = () => Object.fromEntries(stage.trace.of('a')!.timers);
    stage.start('a');
    expect(due()).toEqual({ 'xstate.after.connectTimeout.instance.running.started.connecting': 30_000 });
    stage.clock.increment(1_000);
    await stage.connect('a');
    expect(due()).toEqual({ 'xstate.after.stableUptime.instance.running.started.connected': 61_000 });
    const connection = () => Object.fromEntries(stage.trace.of('a')!.connection('connection-1')!.timers);
    expect(connection()).toEqual({ 'xstate.after.silence.connection.ready.heartbeat.idle': 11_000 });
    stage.clock.increment(5_000);
    stage.hear('connection-1', { type: 'link.heard' });
    expect(connection()).toEqual({ 'xstate.after.silence.connection.ready.heartbeat.idle': 16_000 });
    stage.clock.increment(10_000);
    expect(connection()).toEqual({});
    stage.clock.increment(45_000);
    expect(due()).toEqual({});
    stage.tell('a', { type: 'stop', grace: 500 });
    expect(due()).toEqual({
      'xstate.after.gracePeriod.instance.running.stopping.graceful': 66_000,
      'xstate.after.terminateDelay.instance.running.stopping.graceful.asked': 62_000,
    });
  });
});

test('observers that throw take nothing from each other', () => {
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

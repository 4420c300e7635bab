// Explanations of charts on a simulated clock, so that every time in them is exact.
import { describe, expect, test } from 'vitest';
import { connectionMachine, instanceMachine, poolMachine, sessionMachine } from '../../machines/index.ts';
import { createRefusals } from '../../src/connection/refusals.ts';
import { stateOf } from '../../src/instance/instance.ts';
import type { InstanceRecord } from '../../src/instance/record.ts';
import { bounds } from '../../src/limits.ts';
import { createExplain } from '../../src/observe/explain.ts';
import { timeouts } from '../../src/observe/explained-parts.ts';
import { openStage, WALL } from './stage.ts';

function openExplained(maxConcurrentStarts?: number) {
  const stage = openStage(maxConcurrentStarts);
  const records = new Map<string, InstanceRecord>();
  const explained = createExplain({
    registry: { records } as never,
    trace: stage.trace,
    clock: stage.time as never,
    queue: () => stage.supervisor.getSnapshot().context,
  });
  const start = (id: string, actorId = 'instance-1', restart?: 'permanent') => {
    stage.start(id, actorId, restart);
    const actor = stage.supervisor.getSnapshot().children[actorId]!;
    const record = {
      ...{ id, artifactId: 'summarizer', actorId, incarnation: 1, pid: 42, address: '127.0.0.1:9100', report: null },
      requests: { inFlight: () => 0 },
      refusals: createRefusals(),
      connections: new Map(),
      get state() {
        return stateOf((actor.getSnapshot() as { value?: unknown }).value);
      },
    };
    records.set(id, record as never);
    return record;
  };
  const connect = async (record: ReturnType<typeof start>, connectionId = 'connection-1') => {
    const connection = {
      actorId: connectionId,
      connectionId: `${record.id}/${connectionId}`,
      channel: { peer: '127.0.0.1:50000' },
      sessionSince: 0,
    };
    record.connections.set(connectionId, connection);
    await stage.connect(record.id, connectionId);
  };
  return { ...stage, explained, explain: explained.explain, records, start, connect };
}

describe('what an instance waits for', () => {
  test('an instance in the queue waits for a start slot, and says how many wait before it', () => {
    const { start, explain } = openExplained(1);
    start('a');
    start('b', 'instance-2');
    start('c', 'instance-3');
    expect(explain('c')).toMatchObject({
      state: 'allocating',
      chart: { state: 'running.allocating.queued', since: WALL },
      waits: [
        {
          timeout: null,
          until: null,
          meaning: expect.stringContaining('there are 1 for first starts (maxConcurrentStarts); instances before this one in the queue: 1'),
        },
      ],
      endedBy: ['stop', 'listener.failed', 'start.granted'],
    });
    expect(String(explain('c'))).toContain('waits for a start slot');
  });

  test('a started instance waits for a connection until the connect timeout', () => {
    const { start, explain, clock } = openExplained();
    start('a');
    clock.increment(100);
    const explanation = explain('a')!;
    expect(explanation).toMatchObject({ at: WALL + 100, state: 'listening', chart: { since: WALL, meaning: 'No socket is connected.' } });
    expect(explanation.waits).toEqual([{ timeout: 'connectTimeout', until: WALL + 30_000, meaning: timeouts.connectTimeout }]);
  });

  test('a failed instance waits for the end of its backoff', async () => {
    const { start, connect, sendToInstance, explain, clock } = openExplained();
    await connect(start('a', 'instance-1', 'permanent'));
    sendToInstance('a', { type: 'process.exited', exitCode: 9, signal: null, status: 9 });
    clock.increment(250);
    clock.increment(50);
    expect(explain('a')).toMatchObject({
      state: 'backoff',
      chart: { state: 'backoff', since: WALL + 250 },
      waits: [{ timeout: 'backoff', until: WALL + 450 }],
      endedBy: ['stop', 'restart'],
    });
  });

  test('every timeout of the charts has a text', () => {
    const undelayed = ['restartPeriod'];
    const names = [instanceMachine, sessionMachine, connectionMachine, poolMachine].flatMap(({ implementations }) =>
      Object.keys(implementations.delays),
    );
    expect(Object.keys(timeouts).sort()).toEqual([...new Set(names)].filter(name => !undelayed.includes(name)).sort());
  });
});

test('a connection is explained with the state of its heartbeat, since when, and until when it waits', async () => {
  const { start, connect, sendToConnection, explain, clock } = openExplained();
  await connect(start('a'));
  clock.increment(4_000);
  sendToConnection('connection-1', { type: 'link.silent' });
  clock.increment(1_000);
  expect(explain('a')!.connections).toMatchObject([
    {
      connectionId: 'a/connection-1',
      peer: '127.0.0.1:50000',
      session: true,
      states: [
        { state: 'ready.heartbeat.awaiting', since: WALL + 4_000 },
        { state: 'ready.reading.flowing', since: WALL },
      ],
      waits: [{ timeout: 'heartbeat', until: WALL + 14_000, meaning: 'something has to arrive, or the heartbeat counts as missed' }],
      transitions: [{}, {}, {}, {}, {}, { event: 'link.silent', from: 'ready.heartbeat.idle', to: 'ready.heartbeat.awaiting' }],
    },
  ]);
});

test('String(explanation) is a text with all of it', async () => {
  const { start, connect, sendToInstance, sendToConnection, explain, clock, time } = openExplained();
  const record = start('summarizer-1f2e3d4c', 'instance-1', 'permanent');
  clock.increment(120);
  await connect(record);
  for (let i = 0; i < 3; i += 1) {
    sendToInstance(record.id, { type: 'activity.started' });
    clock.increment(10);
    sendToInstance(record.id, { type: 'activity.idle' });
  }
  sendToConnection('connection-1', { type: 'link.closed', code: 'LINK_LOST', message: 'closed by the other end' });
  record.connections.clear();
  clock.increment(2_500);
  Object.assign(record, {
    report: { incarnation: 1, reason: 'crashed', message: 'the program crashed', code: 9, signal: null, uptime: 61_000, stderr: 'a\nb\n' },
  });
  expect(time.wall()).toBe(WALL + 2_650);
  expect(String(explain(record.id))).toBe(`summarizer-1f2e3d4c (summarizer) is reconnecting at 2026-01-01T00:00:02.650Z
  incarnation 1, pid 42, 127.0.0.1:9100, 0 in flight
  running.started.reconnecting since 2026-01-01T00:00:00.150Z (2.5 s)
    The connection is lost, the program still runs. Executions in flight wait until the agent reconnects.
    until 2026-01-01T00:00:10.150Z (in 7.5 s, reconnectWindow): the agent has to reconnect, or its program is ended
    left by: process.exited, memory.exceeded, stop, restart, session.opened
session
  resuming since 2026-01-01T00:00:00.150Z (2.5 s)
    The connection is lost, the epoch goes on: the agent resumes it over a new connection.
    left by: close, session.claimed
  2026-01-01T00:00:00.000Z  idle: started
  2026-01-01T00:00:00.120Z  idle → open.granted: session.claimed connectionId=summarizer-1f2e3d4c/connection-1 by=v1
  2026-01-01T00:00:00.120Z  open.granted → open.used: session.opened [isHolder] connectionId=summarizer-1f2e3d4c/connection-1
  2026-01-01T00:00:00.150Z  open.used → resuming: connection.closed [isHolder] connectionId=summarizer-1f2e3d4c/connection-1 code=LINK_LOST message=closed by the other end
last exit: incarnation 1, crashed: the program crashed (exit code 9), after 1 min 1 s
  | a
  | b
transitions of the instance:
  2026-01-01T00:00:00.000Z  running.allocating.queued: started
  2026-01-01T00:00:00.000Z  running.allocating.queued → running.allocating.binding: start.granted
  2026-01-01T00:00:00.000Z  running.allocating.binding → running.started.connecting.listening: listener.bound address=127.0.0.1:9100
  2026-01-01T00:00:00.120Z  running.started.connecting.listening → running.started.connecting.authenticating: socket.accepted connectionId=summarizer-1f2e3d4c/connection-1
  2026-01-01T00:00:00.120Z  running.started.connecting.authenticating → running.started.connected.ready: session.opened connectionId=summarizer-1f2e3d4c/connection-1 epoch=new
  2026-01-01T00:00:00.140Z  running.started.connected.ready → running.started.connected.executing: activity.started (3 times since 2026-01-01T00:00:00.120Z)
  2026-01-01T00:00:00.150Z  running.started.connected.executing → running.started.connected.ready: activity.idle (3 times since 2026-01-01T00:00:00.130Z)
  2026-01-01T00:00:00.150Z  running.started.connected.ready → running.started.reconnecting: session.lost code=LINK_LOST`);
});

test('of 1,000 stopped instances the last 100 explanations are kept, and no trace', () => {
  const { start, sendToInstance, explained, explain, records, trace } = openExplained();
  const ids = Array.from({ length: 1_000 }, (_, i) => `a-${i}`);
  for (const id of ids) {
    const record = start(id);
    sendToInstance(id, { type: 'stop', grace: 0 });
    sendToInstance(id, { type: 'process.exited', exitCode: 0, signal: null, status: 0 });
    sendToInstance(id, { type: 'process.closed' });
    explained.remember(record as never);
    records.delete(id);
  }
  expect(ids.filter(id => explain(id) !== undefined)).toEqual(ids.slice(-bounds.keptStopped));
  expect(ids.filter(id => trace.of(id) !== undefined)).toEqual([]);
  expect(explain('a-999')).toMatchObject({ state: 'stopped', chart: { state: 'stopped' }, waits: [], endedBy: [], connections: [] });
  expect(explain('never was')).toBeUndefined();
});

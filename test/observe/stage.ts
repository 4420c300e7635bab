// Runs the charts on a simulated clock, without real processes and sockets, and records their trace.
import { createActor, fromCallback, fromPromise, SimulatedClock } from 'xstate';
import type { LinkEvent } from '../../machines/connection.ts';
import { connectionMachine, type InstanceEvent, instanceMachine, sessionMachine, supervisorMachine } from '../../machines/index.ts';
import { guardedInspect } from '../../src/observe/log.ts';
import { createTrace } from '../../src/observe/trace.ts';
import type { TraceRecord } from '../../src/observe/trace-record.ts';

/** The time of day when the simulated clock stands at 0: 2026-01-01T00:00:00Z. */
export const WALL = 1_767_225_600_000;

export function openStage(maxConcurrentStarts = 4) {
  const clock = new SimulatedClock();
  const time = { now: () => clock.now(), wall: () => WALL + clock.now() };
  const trace = createTrace(time, (instanceId, connectionId) => (instanceId === null ? undefined : `${instanceId}/${connectionId}`));
  const records: TraceRecord[] = [];
  const listeners = new Map<string, (event: InstanceEvent) => void>();
  const links = new Map<string, (event: LinkEvent) => void>();
  const silent = () => {};
  const connection = connectionMachine.provide({
    actors: {
      link: fromCallback(
        ({ input, sendBack }) => void links.set((input as { connectionActorId: string }).connectionActorId, sendBack),
      ) as never,
      authenticate: fromPromise(async () => ({ verdict: 'authenticated' as const, by: 'v1' as const })) as never,
    },
    actions: { refuse: silent, sendError: silent, handOver: silent, reportEnd: silent },
    delays: { authTimeout: 5_000, heartbeat: 10_000, finalCheck: 50, probe: 1_000 },
  });
  const instance = instanceMachine.provide({
    actors: {
      session: sessionMachine.provide({ actors: { connection } }),
      listen: fromCallback(({ input, sendBack, receive }) => {
        listeners.set((input as { instanceId: string }).instanceId, sendBack as never);
        receive(({ type }) => type === 'bind' && sendBack({ type: 'listener.bound', address: '127.0.0.1:9100' } as never));
      }) as never,
      process: fromCallback(silent) as never,
    },
    actions: {
      ...{ openSession: silent, closeSession: silent, beginStopping: silent, beginGrace: silent },
      ...{ recordStopStage: silent, endIncarnation: silent, endInstance: silent },
    },
    delays: {
      ...{ connectTimeout: 30_000, reconnectWindow: 10_000, signalDelay: 1_000, gracePeriod: 5_000, killTimeout: 5_000 },
      ...{
        graceLeft: 400,
        drainLimit: 4_000,
        outputTimeout: 250,
        cleanupTimeout: 3_000,
        backoff: 200,
        restartPeriod: 60_000,
        stableUptime: 60_000,
      },
    },
  });
  const machine = supervisorMachine.provide({
    actors: { instance, connection, sharedListener: fromCallback(silent) as never },
    actions: { stopInstances: silent, releaseActorId: silent, abandonInstance: silent },
  });
  const supervisor = createActor(machine, {
    id: 'supervisor',
    clock,
    input: { maxConcurrentStarts },
    inspect: guardedInspect(trace as never),
  });
  supervisor.start();
  return {
    clock,
    time,
    trace,
    records,
    supervisor,
    /** Keeps every record from now on. */
    follow: () => trace.follow(record => records.push(record)),
    start: (instanceId: string, actorId = 'instance-1', restart: 'permanent' | 'temporary' = 'temporary') =>
      supervisor.send({
        type: 'start',
        instance: {
          ...{ instanceId, actorId, external: false, restart, onUnresponsive: 'leave', intensity: 3, misses: 3, failureGrace: 400 },
          ...{ connectTimeout: 30_000, successCodes: [], neverRestartOn: [] },
        },
      }),
    /** Sends an event of its listener to an instance. Programs have no process tree here, so none is left after an exit. */
    sendToInstance(instanceId: string, event: InstanceEvent) {
      listeners.get(instanceId)?.(event);
      if (event?.type === 'process.exited') listeners.get(instanceId)?.({ type: 'process.ended', left: 0 });
    },
    /** Sends an event of its link to a connection. */
    sendToConnection: (connectionActorId: string, event: LinkEvent) => links.get(connectionActorId)?.(event),
    async connect(instanceId: string, connectionActorId = 'connection-1') {
      listeners.get(instanceId)?.({ type: 'socket.accepted', connectionActorId });
      links.get(connectionActorId)?.({ type: 'auth.received' });
      for (let i = 0; i < 5; i += 1) await null;
      links.get(connectionActorId)?.({ type: 'session.used' });
    },
  };
}

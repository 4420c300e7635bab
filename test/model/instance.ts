// Causes each event of the instance chart in the running engine, with real programs and sockets.
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyMachineSnapshot } from 'xstate';
import { type InstanceContext, type InstanceInput, instanceMachine } from '../../machines/index.ts';
import type { Instance } from '../../src/index.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { tcp } from '../../src/transport/tcp.ts';
import { authRequest, seen } from '../situations/world.ts';
import { type ModelEvent, pathsOf, type Step } from './paths.ts';
import { type AgentEnd, idOf, obedient, openStage, type Stage } from './stage.ts';
import { delayOf, elapse, type Played, play, receive } from './walk.ts';

/** The only port for instances of these walks, so that a walk can occupy it: free, and not used by another test process. */
const PORT = ((): number => {
  for (let port = 20_000 + (process.pid % 10_000); ; port += 1) {
    try {
      void tcp.listen({ kind: 'tcp', host: '127.0.0.1', port }, wire => wire.close()).close();
      return port;
    } catch {
      // The port is in use: try the next one.
    }
  }
})();
const FOREVER = 2 ** 31 - 1;
const HEARTBEAT = 1_000;
const MAX_MEMORY = 1e9;

export interface Kind {
  readonly name: string;
  readonly restart?: 'permanent' | 'transient' | 'temporary';
  readonly intensity?: number;
  readonly external?: boolean;
  readonly retryStart?: boolean;
  readonly onUnresponsive?: 'restart';
  readonly successCodes?: readonly number[];
  readonly neverRestartOn?: readonly number[];
  /** The grace of a program after a failure, in ms. */
  readonly grace?: number;
}

export const kinds: readonly Kind[] = [
  { name: 'temporary' },
  { name: 'transient', restart: 'transient', intensity: 1 },
  { name: 'permanent', restart: 'permanent', intensity: 0 },
  { name: 'retries its start', retryStart: true, intensity: 1 },
  { name: 'external', external: true },
  { name: 'restarts unresponsive', onUnresponsive: 'restart', intensity: 0 },
  { name: 'without grace', grace: 0 },
  { name: 'never gives up', restart: 'permanent', intensity: Number.POSITIVE_INFINITY },
  { name: 'never restarts on 1', restart: 'permanent', neverRestartOn: [1] },
];

export const instanceInput = ({
  restart = 'temporary',
  intensity = 3,
  external = false,
  retryStart = false,
  onUnresponsive,
  grace = 100,
  successCodes = [],
  neverRestartOn = [],
}: Kind): InstanceInput => ({
  instanceId: `subject-${idOf(1)}`,
  actorId: 'instance-1',
  external,
  restart,
  retryStart,
  onUnresponsive: onUnresponsive ?? 'leave',
  intensity,
  connectTimeout: 20_000,
  successCodes,
  neverRestartOn,
  misses: 3,
  failureGrace: grace,
});

function stateOf(snapshot: AnyMachineSnapshot) {
  const isStarted = snapshot.matches({ running: 'started' });
  const isConnected = snapshot.matches({ running: { started: 'connected' } });
  const isStopping = snapshot.matches({ running: 'stopping' });
  const isDraining = snapshot.matches({ running: { stopping: { graceful: 'draining' } } });
  const hasExited = snapshot.matches({ running: 'exiting' });
  return {
    isStarted,
    isDraining,
    isConnected,
    isStopping,
    isSignalled:
      snapshot.matches({ running: { stopping: { graceful: 'signalled' } } }) || snapshot.matches({ running: { stopping: 'killed' } }),
    hasExited,
    hasStarted: isStarted || isStopping || hasExited,
  };
}

/** The events that can happen in a state. */
function cases(type: string, snapshot: AnyMachineSnapshot): ModelEvent[] {
  const { session, failures, external, restart, output, tree } = snapshot.context as InstanceContext;
  const { isStarted, isDraining, hasStarted, hasExited, isConnected, isStopping, isSignalled } = stateOf(snapshot);
  switch (type) {
    case 'listener.bound':
    case 'listener.failed':
      return snapshot.matches({ running: { allocating: 'binding' } }) ? [{ type }] : [];
    case 'socket.accepted':
      return hasStarted ? [{ type, connectionActorId: 'connection-1' }] : [];
    case 'session.opened':
      return session === null ? [{ type, connectionActorId: 'connection-1', epoch: 'new' }] : [];
    case 'session.lost':
      if (session === null) return [];
      return (isConnected ? ['LINK_LOST', 'HEARTBEAT_LOST'] : ['LINK_LOST']).map(code => ({ type, code }));
    case 'process.failed':
      return external ? [] : [{ type }];
    case 'process.exited':
      if (external) return isSignalled && tree === 'ended' ? [{ type, exitCode: null, signal: null, status: null }] : [];
      return [0, 1].map(exitCode => ({ type, exitCode, signal: null, status: exitCode }));
    case 'process.closed':
      return (external ? isSignalled : hasExited) && output === 'open' ? [{ type }] : [];
    case 'process.ended':
      return (external ? output === 'closed' : hasExited) && tree === 'alive' ? [{ type, left: 0 }] : [];
    case 'memory.exceeded':
      // A program that was signalled may have exited already.
      return external || isSignalled ? [] : [{ type, bytes: MAX_MEMORY + 1, limit: MAX_MEMORY }];
    case 'agent.unresponsive':
      // After earlier failures, these would expire during the wait.
      return !external && restart === 'temporary' && snapshot.matches({ running: { started: { connected: 'executing' } } })
        ? [{ type }]
        : [];
    case 'restart':
      // Before the first session, a program of the next incarnation that cannot be started would be another case.
      return !external && (session !== null || snapshot.value === 'backoff') ? [{ type, grace: 100 }] : [];
    case 'stop':
      return [
        // A stop ends a drain, whatever its grace is; any other stop counts only if it is sooner.
        ...((isStopping && !isDraining) || hasExited ? [0, 60, 100] : [0, 100]).map(grace => ({ type, grace, drain: false })),
        ...(isDraining ||
        snapshot.matches({ running: { started: { connected: 'executing' } } }) ||
        snapshot.matches({ running: { started: 'reconnecting' } })
          ? [{ type, grace: 100, drain: true }]
          : []),
      ];
    case 'xstate.error.actor.*':
      // A listener can fail when an incarnation begins, a session when it spawns a connection.
      if (snapshot.matches({ running: { allocating: 'queued' } })) return [{ type: 'xstate.error.actor.listener' }];
      return isStarted ? [{ type: 'xstate.error.actor.session' }] : [];
    case 'failure.expired':
      return isConnected && failures > 0 ? [{ type }] : [];
    default: {
      const delay = delayOf(type);
      // The failures would expire before; and SIGTERM always comes before the grace period is over.
      if (delay === 'stableUptime' && failures > 0) return [];
      if (delay === 'gracePeriod' && !snapshot.matches({ running: { stopping: { graceful: 'signalled' } } })) return [];
      return [{ type }];
    }
  }
}

const bits = (c: InstanceContext) => [
  c.session !== null,
  c.policy,
  c.cause?.final,
  c.cause?.reason === 'completed',
  c.cause?.reason === 'restarted',
  c.output,
  c.tree,
  c.lossCode === 'HEARTBEAT_LOST',
  c.failures >= c.intensity,
  c.failures > 0,
  c.attempts > 0,
  c.gracePeriod > 0,
];

/** The model does not know whether a program was started, and which executions are in flight. */
function feasible(steps: readonly Step[]): number {
  let seen = false;
  let failed = false;
  let attempted = false;
  let quick = false;
  let cancellable = false;
  for (const [i, { event }] of steps.entries()) {
    const { type, code } = event;
    if (type === 'listener.bound') {
      seen = false;
      failed = false;
    }
    // A cancelled execution is reported once.
    if (type === 'agent.unresponsive' && !cancellable) return i;
    if (type === 'activity.started') cancellable = true;
    if (type === 'agent.unresponsive' || type === 'activity.idle') cancellable = false;
    // A program that was never spawned neither exits nor exceeds its memory, and one that was spawned does not fail to spawn.
    if (type === 'process.failed') {
      if (seen || failed) return i;
      failed = true;
    }
    if (/^(process\.exited|memory\.exceeded)$/.test(type)) {
      if (failed) return i;
      seen = true;
    }
    if (code === 'HEARTBEAT_LOST') {
      // Earlier incarnations may have lost heartbeats, too.
      if (attempted) return i;
      quick = true;
    }
    if (delayOf(type) === 'backoff' || type === 'restart') attempted = true;
    // Meanwhile heartbeats would be lost.
    if (quick && (type === 'failure.expired' || delayOf(type) === 'stableUptime')) return i;
  }
  return steps.length;
}

/** Every path of one kind; with `seen`, only those that have a step that is not in it yet. */
export const instancePaths = (kind: Kind, seen?: Set<string>): Step[][] =>
  pathsOf({
    machine: instanceMachine,
    input: instanceInput(kind),
    cases,
    bits,
    future: ({ session, cause }: InstanceContext) => [session, cause?.code],
    ...(seen && { seen }),
    limit: 200_000,
    feasible,
  });

/** The delays that the documentation promises, in ms. */
function delay(name: string, { gracePeriod, attempts }: InstanceContext, graceLeft: number): number {
  const delays: Record<string, number> = {
    connectTimeout: 20_000,
    reconnectWindow: 10_000,
    signalDelay: Math.min(gracePeriod / 2, 1_000, Math.max(0, graceLeft - Math.min(gracePeriod / 2, 1_000))),
    gracePeriod,
    drainLimit: gracePeriod - Math.min(gracePeriod / 2, 1_000),
    graceLeft,
    killTimeout: 5_000,
    outputTimeout: 250,
    cleanupTimeout: 3_000,
    backoff: Math.round((100 + Math.min(10_000, 100 * 2 ** (attempts - 1))) / 2),
    stableUptime: 1_000_000,
  };
  return delays[name] ?? Number.NaN;
}

/** Plays one path in the engine. `finding` says what was wrong. */
export async function playInstance(kind: Kind, steps: readonly Step[], charts?: Charts): Promise<Played> {
  const input = instanceInput(kind);
  const events = steps.map(step => step.event);
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-model-'));
  const program = join(folder, 'program');
  symlinkSync(obedient, program);
  const stage = openStage({
    charts,
    options: {
      ports: { from: PORT, to: PORT },
      connectTimeout: 20_000,
      reconnectWindow: 10_000,
      authTimeout: FOREVER,
      grace: input.failureGrace,
      heartbeat: { interval: events.some(({ code }) => code === 'HEARTBEAT_LOST') ? HEARTBEAT : FOREVER, misses: input.misses },
      restart: { intensity: input.intensity, period: 1_000_000, backoff: { min: 100, max: 10_000 } },
    },
    isSubject: actor => actor.logic.id === 'instance',
    // Activity events that the chart ignores in its state are not held.
    holds: (event, subject) =>
      !event.type.startsWith('xstate.done.') &&
      (!event.type.startsWith('activity.') || (subject.getSnapshot() as AnyMachineSnapshot).can(event)),
  });
  const { spearlet, gate, random, agentEnds } = stage;
  /** What is to be undone even if the event that it was prepared for does not come: the next walk uses the same port. */
  const prepared = new Set<() => Promise<void> | void>();
  const undoing = (undo: () => Promise<void> | void): (() => Promise<void> | void) => {
    const once = (): Promise<void> | void => (prepared.delete(once) ? undo() : undefined);
    prepared.add(once);
    return once;
  };
  /** Makes the next listener or program fail if the path needs that. Returns a function that undoes it. */
  const prepare = (ahead: readonly ModelEvent[], what: 'listener' | 'process'): (() => Promise<void> | void) => {
    const outcome = ahead.find(({ type }) => (what === 'listener' ? /^(listener\.|stop$)/ : /^(process\.|listener\.)/).test(type));
    if (what === 'listener' && outcome?.type === 'listener.failed') {
      const occupant = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: PORT }, wire => wire.close());
      return undoing(() => occupant.close());
    }
    if (outcome?.type !== 'process.failed') return () => {};
    rmSync(program);
    return () => symlinkSync(obedient, program);
  };
  const breakToken = (ahead: readonly ModelEvent[]): void => {
    const next = ahead[0]?.type;
    random.broken = next === 'xstate.error.actor.listener' ? 'token' : null;
  };

  /** Sockets that the session has, and that have not authenticated. */
  let unused: AgentEnd[] = [];
  const token = (): string => random.tokens.at(-1)!;
  const subject = (): Instance => spearlet.get(input.instanceId)!;
  const context = (): InstanceContext => (gate.subject.getSnapshot() as AnyMachineSnapshot).context as InstanceContext;
  const arrived = (type: string): Promise<ModelEvent> => receive(stage, event => event.type === type);
  const isHeld = (type: string): boolean => gate.held.some(({ event }) => event.type === type);

  /** Connects a socket, and lets the instance see it. */
  const connect = async (): Promise<ModelEvent> => {
    const socket = await stage.connect(`127.0.0.1:${PORT}`);
    const held = await gate.wait(each => each.type === 'socket.accepted');
    agentEnds.set(held.event.connectionActorId as string, socket);
    const { isStarted, isDraining } = stateOf(gate.subject.getSnapshot() as AnyMachineSnapshot);
    gate.release(held);
    // In states that accept no connection, it is closed at once.
    if (isStarted || isDraining) unused.push(socket);
    else await socket.closed;
    return held.event;
  };

  /** When the grace period of the last stop began. Null: the program ended by itself. */
  let graceSince: number | null = null;
  const graceLeft = (): number => Math.max(0, context().gracePeriod - (graceSince === null ? 0 : stage.clock.now() - graceSince));

  const perform = async (event: ModelEvent, ahead: readonly ModelEvent[]): Promise<readonly ModelEvent[]> => {
    const { type } = event;
    const delayed = delayOf(type);
    if (delayed !== null) {
      if (delayed === 'backoff') breakToken(ahead);
      return [elapse(stage, type, delay(delayed, context(), graceLeft()))];
    }
    switch (type) {
      case 'failure.expired':
        return [elapse(stage, type, 1_000_000)];
      case 'start.granted':
      case 'listener.bound': {
        unused = [];
        const undo = prepare(ahead, type === 'start.granted' ? 'listener' : 'process');
        try {
          return [await arrived(type)];
        } finally {
          await undo();
        }
      }
      case 'socket.accepted':
        return [await connect()];
      case 'session.opened': {
        // A failure must not expire together with the stable uptime, which begins now.
        if (context().failures > 0) stage.clock.pass(1);
        const accepted = unused.length === 0 ? [await connect()] : [];
        unused.shift()!.send('AuthRequest', 1, authRequest({ SPEARLET_INSTANCE_ID: input.instanceId, SPEARLET_TOKEN: token() }));
        return [...accepted, await arrived(type)];
      }
      case 'session.lost':
        if (event.code === 'HEARTBEAT_LOST') {
          for (let n = 0; !isHeld(type) && n < 100; n += 1) stage.clock.step();
        } else if (!isHeld(type)) agentEnds.get(context().session!)!.close();
        return [await arrived(type)];
      case 'connections.none':
        for (const socket of unused.splice(0)) socket.close();
        return [await arrived(type)];
      case 'xstate.error.actor.session': {
        random.broken = 'fraction';
        const accepted = await connect();
        random.broken = null;
        return [accepted, await arrived(type)];
      }
      case 'process.exited':
        if (!isHeld(type) && !kind.external) {
          // Before it has printed `up`, the program does not handle these signals; only SIGTERM ends it.
          await Promise.race([seen(subject().output$, chunk => chunk.text.includes('up')), gate.wait(each => each.type === type)]);
          if (!isHeld(type)) process.kill(subject().pid!, event.exitCode === 0 ? 'SIGUSR1' : 'SIGUSR2');
        }
        return [await arrived(type)];
      case 'memory.exceeded':
        stage.exceedMemory();
        return [await arrived(type)];
      case 'agent.unresponsive': {
        const peer = agentEnds.get(context().session!)!;
        if (peer.openRequests().length === 0) await peer.next('ExecuteRequest');
        for (const execution of stage.executions) execution.cancel('the agent will not respond');
        for (let n = 0; !isHeld(type) && n < 100; n += 1) stage.clock.step();
        return [await arrived(type)];
      }
      case 'activity.started':
        if (!isHeld(type)) stage.execute(subject());
        return [await arrived(type)];
      case 'activity.idle': {
        const { session } = context();
        if (session === null) {
          for (const execution of stage.executions) execution.cancel('no agent is there');
          for (let n = 0; !isHeld(type) && n < 100; n += 1) stage.clock.step();
          return [await arrived(type)];
        }
        const peer = agentEnds.get(session)!;
        peer.answer(peer.openRequests()[0] ?? (await peer.next('ExecuteRequest')));
        await Promise.race(stage.executions.map(each => each.result.catch(() => {})));
        for (let n = 0; !isHeld(type) && n < 100; n += 1) stage.clock.step();
        return [await arrived(type)];
      }
      case 'restart':
        // The failures must not expire together with the stable uptime of the next program. So this takes more than the 20 ms of an
        // `activity.idle` between the two, and less than the shortest backoff, 50 ms.
        stage.clock.pass(45);
        subject()
          .restart({ grace: event.grace as number })
          .catch(() => {});
        return [await arrived(type)];
      case 'stop':
        // Where nothing is in flight, nothing is drained.
        if (event.drain === true && spearlet.stats().instances[0]!.inFlight === 0) stage.execute(subject());
        void subject().stop({ grace: event.grace as number, drain: event.drain as boolean });
        return [await arrived(type)];
      default:
        return [await arrived(type)];
    }
  };

  const check = (): void => {
    if (gate.effects.some(effect => effect === 'beginStopping' || effect === 'beginGrace')) graceSince = stage.clock.now();
    if (gate.effects.includes('endIncarnation')) graceSince = null;
    const live = spearlet.stats().instances.flatMap(each => each.connections.filter(connection => connection.session));
    if (live.length > 1) throw new Error(`${live.length} live sessions`);
    if (live.length === 1 && context().session === null) throw new Error('a live session that the chart does not know');
    for (const end of stage.ends()) if (end.updates > 1 || end.results > 1) throw new Error('an execution ended twice');
  };

  let finding: string | null = null;
  try {
    const undo = kind.external ? prepare(events, 'listener') : () => {};
    breakToken(events);
    try {
      // expect() throws where there is no address yet, since the gate holds listener.bound.
      if (kind.external) spearlet.expect({ artifactId: 'subject' }).ready.catch(() => {});
      else {
        spearlet
          .start({
            artifactId: 'subject',
            command: program,
            restart: input.restart,
            retryStart: input.retryStart ?? false,
            maxMemory: MAX_MEMORY,
            successCodes: [...input.successCodes],
            neverRestartOn: [...input.neverRestartOn],
            onUnresponsive: input.onUnresponsive,
          })
          .catch(() => {});
        await null;
      }
    } catch {
      // The address is not known yet; see above.
    } finally {
      await undo();
    }
    finding = await play({ stage, machine: instanceMachine, input, steps, perform, check });
    if (finding === null)
      finding = await afterwards(stage).catch((thrown: Error) => `${events.map(({ type }) => type).join(' > ')}: ${thrown.message}`);
  } catch (thrown) {
    finding = (thrown as Error).message;
  } finally {
    if (finding !== null) stage.abandon();
    for (const undo of [...prepared]) await undo();
    rmSync(folder, { recursive: true });
  }
  return { finding, taken: gate.taken, visited: gate.visited };
}

/** After any path stop() ends the instance: it is stopped once, no event follows, and nothing is left. */
async function afterwards(stage: Stage): Promise<string | null> {
  await stage.stop();
  const ends = stage.ends().map(({ updates, results }) => [updates, results]);
  if (ends.some(([updates, results]) => updates !== 1 || results !== 1))
    return `numbers of terminal updates and results: ${JSON.stringify(ends)}`;
  const stops = stage.events.filter(event => event.type === 'instance.state' && event.state === 'stopped').length;
  if (stops !== 1) return `the instance stopped ${stops} times`;
  const last = stage.events.findIndex(event => event.type === 'instance.state' && event.state === 'stopped');
  const after = stage.events.slice(last + 1).filter(event => event.type !== 'connection.closed');
  if (after.length > 0) return `events after the end: ${after.map(event => event.type).join()}`;
  if (stage.spearlet.instances.length > 0) return 'an instance is left';
  const pids = stage.events.flatMap(event => (event.type === 'instance.spawned' ? event.pid : []));
  const alive = pids.filter(pid => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  });
  return alive.length > 0 ? `processes ${alive.join()} are left` : null;
}

// The instance machine in the engine: how each of its events is made to happen, with real programs and sockets.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyMachineSnapshot } from 'xstate';
import { type InstanceContext, type InstanceInput, instanceMachine } from '../../machines/index.ts';
import type { Instance } from '../../src/index.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { tcp } from '../../src/transport/tcp.ts';
import { nodeKeeps } from '../census/census.ts';
import { authRequest, seen } from '../situations/world.ts';
import { type Happening, pathsOf, type Step } from './paths.ts';
import { type Far, idOf, obedient, openStage, type Stage } from './stage.ts';
import { delayOf, elapse, type Played, play, receive } from './walk.ts';

/** The one port that instances of these walks may have, so that it can be taken from them: free, and not another worker's. */
const PORT = ((): number => {
  for (let port = 20_000 + (process.pid % 10_000); ; port += 1) {
    try {
      void tcp.listen({ kind: 'tcp', host: '127.0.0.1', port }, wire => wire.close()).close();
      return port;
    } catch {
      // Held by somebody: the next one.
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
  readonly onUnresponsive?: 'restart';
  /** What a program that failed by itself is given, in ms. */
  readonly grace?: number;
}

export const kinds: readonly Kind[] = [
  { name: 'temporary' },
  { name: 'transient', restart: 'transient', intensity: 1 },
  { name: 'permanent', restart: 'permanent', intensity: 0 },
  { name: 'external', external: true },
  { name: 'temporary, but made to listen', onUnresponsive: 'restart', intensity: 0 },
  { name: 'without grace', grace: 0 },
];

export const instanceInput = ({
  restart = 'temporary',
  intensity = 3,
  external = false,
  onUnresponsive,
  grace = 100,
}: Kind): InstanceInput => ({
  instanceId: `subject-${idOf(1)}`,
  actorId: 'instance-1',
  external,
  restart,
  onUnresponsive: onUnresponsive ?? 'leave',
  intensity,
  misses: 3,
  failureGrace: grace,
});

function stateOf(snapshot: AnyMachineSnapshot) {
  const isConnected = snapshot.matches({ running: { started: 'connected' } });
  const isStopping = snapshot.matches({ running: 'stopping' });
  const hasExited = snapshot.matches({ running: 'exiting' });
  return {
    isConnected,
    isStopping,
    isSignalled:
      snapshot.matches({ running: { stopping: { graceful: 'signalled' } } }) || snapshot.matches({ running: { stopping: 'killed' } }),
    hasExited,
    hasStarted: snapshot.matches({ running: 'started' }) || isStopping || hasExited,
  };
}

/** What can happen in a state. */
function cases(type: string, snapshot: AnyMachineSnapshot): Happening[] {
  const { connections, session, claimant, failures, external, restart, output, tree } = snapshot.context as InstanceContext;
  const { hasStarted, hasExited, isConnected, isStopping, isSignalled } = stateOf(snapshot);
  switch (type) {
    case 'listener.bound':
    case 'listener.failed':
      return snapshot.matches({ running: { allocating: 'binding' } }) ? [{ type }] : [];
    case 'socket.accepted': {
      const free = (isConnected && claimant !== null ? [1, 2, 3] : [1, 2]).find(n => !connections.includes(`connection-${n}`));
      return free === undefined || !hasStarted ? [] : [{ type, connectionId: `connection-${free}` }];
    }
    case 'connection.closed':
      return connections.flatMap(connectionId => [
        { type, connectionId, code: 'LINK_LOST' },
        ...(isConnected && connectionId === session && claimant === null ? [{ type, connectionId, code: 'HEARTBEAT_LOST' }] : []),
      ]);
    case 'session.claimed':
      return connections.filter(each => each !== session && each !== claimant).map(connectionId => ({ type, connectionId }));
    case 'session.opened':
      return session === null ? [] : [{ type, connectionId: session }];
    case 'session.confirmed':
      return session === null ? [] : [{ type, connectionId: session }];
    case 'process.failed':
      return external ? [] : [true, false].map(final => ({ type, final }));
    case 'process.exited':
      if (external) return isSignalled && tree === 'ended' ? [{ type, exitCode: null, signal: null }] : [];
      return [0, 1].map(exitCode => ({ type, exitCode, signal: null }));
    case 'process.closed':
      return (external ? isSignalled : hasExited) && output === 'open' ? [{ type }] : [];
    case 'process.ended':
      return (external ? output === 'closed' : hasExited) && tree === 'alive' ? [{ type, left: 0 }] : [];
    case 'memory.exceeded':
      // A program that was signalled may have exited already.
      return external || isSignalled ? [] : [{ type, bytes: MAX_MEMORY + 1, limit: MAX_MEMORY }];
    case 'agent.unresponsive':
      // Where it has failed before, its failures would expire while it is waited for.
      return !external && restart === 'temporary' && snapshot.matches({ running: { started: { connected: 'executing' } } })
        ? [{ type }]
        : [];
    case 'stop':
      return (isStopping ? [0, 60, 100] : [0, 100]).map(grace => ({ type, grace }));
    case 'xstate.error.actor.*': {
      // The listener fails as an incarnation begins; a connection as it is born.
      const last = connections.at(-1);
      if (snapshot.matches({ running: { allocating: 'queued' } })) return [{ type: 'xstate.error.actor.listener' }];
      return last === undefined || last === session ? [] : [{ type: `xstate.error.actor.${last}` }];
    }
    case 'failure.expired':
      return isConnected && failures > 0 ? [{ type }] : [];
    default: {
      const delay = delayOf(type);
      // Its failures would expire on the way; and SIGTERM always comes before the grace period is over.
      if (delay === 'stableUptime' && failures > 0) return [];
      if (delay === 'gracePeriod' && snapshot.matches({ running: { stopping: { graceful: 'asked' } } })) return [];
      return [{ type }];
    }
  }
}

const bits = (c: InstanceContext) => [
  c.connections.length,
  c.session !== null,
  c.claimant !== null,
  c.policy,
  c.cause?.final,
  c.cause?.reason === 'completed',
  c.output,
  c.tree,
  c.lossCode === 'HEARTBEAT_LOST',
  c.failures > c.intensity,
  c.failures > 0,
  c.attempts > 0,
  c.gracePeriod > 0,
];

/** The model knows less than the world: what a connection has said before, whether a program was started at all. */
function feasible(steps: readonly Step[]): number {
  let seen = false;
  let failed = false;
  let probed = false;
  let quick = false;
  let promised: string | null = null;
  let owes = false;
  const claimed = new Set<unknown>();
  for (const [i, { event, state }] of steps.entries()) {
    const { type, connectionId, code } = event;
    const before = steps[i - 1]?.event;
    if (type === 'listener.bound') {
      seen = false;
      failed = false;
      claimed.clear();
    }
    if (type === 'socket.accepted') claimed.delete(connectionId);
    // What was cancelled is missed once.
    if (type === 'agent.unresponsive' && !owes) return i;
    if (type === 'activity.started') owes = true;
    if (type === 'agent.unresponsive' || type === 'activity.idle') owes = false;
    // A program that was never spawned neither exits nor takes memory, and the other way round.
    if (type === 'process.failed') {
      if (seen || failed) return i;
      failed = true;
    }
    if (/^(process\.exited|memory\.exceeded)$/.test(type)) {
      if (failed) return i;
      seen = true;
    }
    if (type === 'session.claimed') {
      if (claimed.has(connectionId)) return i;
      claimed.add(connectionId);
      probed = steps[i]!.state.matches({ running: { started: 'connected' } } as never);
    }
    // Only who was asked for a sign of life gives one.
    if (type === 'session.confirmed' && !probed) return i;
    if (type === 'session.opened' || type === 'session.confirmed') probed = false;
    // A connection that was granted the session says so before anything else.
    if (type === 'connection.closed' && connectionId === promised) return i;
    const { session } = state.context as InstanceContext;
    if (type === 'session.opened') promised = null;
    else if (session !== (steps[i - 1]?.state.context as InstanceContext | undefined)?.session) promised = session;
    if (code === 'HEARTBEAT_LOST') {
      // While somebody asks for the session, it is the probe that decides.
      if (probed) return i;
      quick = true;
    }
    // Heartbeats would be lost on the way, and probes go unanswered.
    if ((quick || probed) && (type === 'failure.expired' || delayOf(type) === 'stableUptime')) return i;
    if (
      type.startsWith('xstate.error.actor.connection') &&
      !(before?.type === 'socket.accepted' && type.endsWith(String(before.connectionId)))
    )
      return i;
  }
  return steps.length;
}

const claim = (connectionId: string): Happening[] => [
  { type: 'socket.accepted', connectionId },
  { type: 'session.claimed', connectionId },
];
const begun: Happening[] = [{ type: 'start.granted' }, { type: 'listener.bound' }, ...claim('connection-1')];
/** The rival has given up when the session shows that it is alive. */
const tooLate: Happening[] = [
  ...begun,
  { type: 'session.opened', connectionId: 'connection-1' },
  ...claim('connection-2'),
  { type: 'connection.closed', connectionId: 'connection-2', code: 'LINK_LOST' },
  { type: 'session.confirmed', connectionId: 'connection-1' },
];

/** Every path of one kind; with `seen`, only those that have a step that is not in it yet. */
export const instancePaths = (kind: Kind, seen?: Set<string>): Step[][] =>
  pathsOf({
    machine: instanceMachine,
    input: instanceInput(kind),
    cases,
    bits,
    future: ({ connections, session, claimant, cause }: InstanceContext) => [connections, session, claimant, cause?.code],
    ...(seen && { seen }),
    limit: 200_000,
    feasible,
    also: kind.external ? [] : [tooLate],
  });

/** The delays as the contract has them. */
function delay(name: string, { gracePeriod, attempts }: InstanceContext): number {
  const delays: Record<string, number> = {
    connectTimeout: 20_000,
    reconnectWindow: 10_000,
    terminateDelay: Math.min(gracePeriod / 2, 1_000),
    gracePeriod,
    giveUpDelay: 5_000,
    drainDelay: 250,
    cleanupTimeout: 3_000,
    backoff: Math.floor(0.5 * Math.min(10_000, 100 * 2 ** (attempts - 1))),
    stableUptime: 1_000_000,
  };
  return delays[name] ?? Number.NaN;
}

/** Uses up all file descriptors; returns what gives them back. The limit was lowered for it. */
function exhaustDescriptors(): () => void {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    // EMFILE, as meant.
  }
  return () => {
    for (const each of taken) closeSync(each);
  };
}

let limited = false;
/** Few enough descriptors that they can be used up. */
function limitDescriptors(): void {
  if (!limited) execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=512:']);
  limited = true;
}

/** Plays one path against the engine. `finding`: what was not as it must be. */
export async function playInstance(kind: Kind, steps: readonly Step[], charts?: Charts): Promise<Played> {
  limitDescriptors();
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
    // Work that the chart takes no notice of in its state is not held back.
    holds: (event, subject) =>
      !event.type.startsWith('xstate.done.') &&
      (!event.type.startsWith('activity.') || (subject.getSnapshot() as AnyMachineSnapshot).can(event)),
  });
  const { spearlet, gate, random, far } = stage;
  /** Sees to it that the listener, or the program, that is asked for next fails if the path wants that. */
  const prepare = (ahead: readonly Happening[], what: 'listener' | 'process'): (() => Promise<void> | void) => {
    const outcome = ahead.find(({ type }) => (what === 'listener' ? /^(listener\.|stop$)/ : /^(process\.|listener\.)/).test(type));
    if (what === 'listener' && outcome?.type === 'listener.failed') {
      const occupant = tcp.listen({ kind: 'tcp', host: '127.0.0.1', port: PORT }, wire => wire.close());
      return () => occupant.close();
    }
    if (outcome?.type !== 'process.failed') return () => {};
    if (outcome.final !== true) {
      nodeKeeps('PipeWrap', 3);
      return exhaustDescriptors();
    }
    rmSync(program);
    return () => symlinkSync(obedient, program);
  };
  const breakToken = (ahead: readonly Happening[]): void => {
    const next = ahead[0]?.type;
    random.broken = next === 'xstate.error.actor.listener' ? 'token' : null;
  };

  const socketOf = ({ connectionId }: Happening): Far => {
    const found = far.get(connectionId as string);
    if (found === undefined) throw new Error(`the test holds no ${connectionId}`);
    return found;
  };
  const token = (): string => random.tokens.at(-1)!;
  const subject = (): Instance => spearlet.get(input.instanceId)!;
  const context = (): InstanceContext => (gate.subject.getSnapshot() as AnyMachineSnapshot).context as InstanceContext;
  const arrived = (type: string, connectionId?: unknown): Promise<Happening> =>
    receive(stage, event => event.type === type && (connectionId === undefined || event.connectionId === connectionId));
  const isHeld = (type: string, connectionId?: unknown): boolean =>
    gate.held.some(({ event }) => event.type === type && (connectionId === undefined || event.connectionId === connectionId));

  const perform = async (event: Happening, ahead: readonly Happening[]): Promise<readonly Happening[]> => {
    const { type, connectionId } = event;
    const delayed = delayOf(type);
    if (delayed !== null) {
      if (delayed === 'backoff') breakToken(ahead);
      return [elapse(stage, type, delay(delayed, context()))];
    }
    switch (type) {
      case 'failure.expired':
        return [elapse(stage, type, 1_000_000)];
      case 'start.granted':
      case 'listener.bound': {
        const undo = prepare(ahead, type === 'start.granted' ? 'listener' : 'process');
        try {
          return [await arrived(type)];
        } finally {
          await undo();
        }
      }
      case 'socket.accepted': {
        const socket = await stage.connect(`127.0.0.1:${PORT}`);
        const held = await gate.wait(each => each.type === type);
        far.set(held.event.connectionId as string, socket);
        random.broken = ahead[0]?.type.startsWith('xstate.error.actor.connection') ? 'fraction' : null;
        gate.release(held);
        // Where nobody is expected, it is shown the door.
        if (!context().connections.includes(held.event.connectionId as string)) await socket.closed;
        return [held.event];
      }
      case 'session.claimed': {
        socketOf(event).send('AuthRequest', 1, authRequest({ SPEARLET_INSTANCE_ID: input.instanceId, SPEARLET_TOKEN: token() }));
        const happened = await arrived(type, connectionId);
        const { session, claimant } = context();
        // Whoever gets no session is told so.
        if (connectionId !== session && connectionId !== claimant) await socketOf(event).closed;
        return [happened];
      }
      case 'session.confirmed': {
        const beat = await socketOf(event).next('Heartbeat');
        socketOf(event).send('Heartbeat', beat.requestId, '');
        return [await arrived(type, connectionId)];
      }
      case 'connection.closed':
        if (event.code === 'HEARTBEAT_LOST') {
          for (let n = 0; !isHeld(type, connectionId) && n < 100; n += 1) stage.clock.step();
        } else if (!isHeld(type, connectionId)) socketOf(event).close();
        return [await arrived(type, connectionId)];
      case 'process.exited':
        if (!isHeld(type) && !kind.external) {
          // Before it is up it takes no orders, but a SIGTERM ends it.
          await Promise.race([seen(subject().output$, chunk => chunk.text.includes('up')), gate.wait(each => each.type === type)]);
          if (!isHeld(type)) process.kill(subject().pid!, event.exitCode === 0 ? 'SIGUSR1' : 'SIGUSR2');
        }
        return [await arrived(type)];
      case 'memory.exceeded':
        stage.exceedMemory();
        return [await arrived(type)];
      case 'agent.unresponsive': {
        const peer = far.get(context().session!)!;
        if (peer.asked().length === 0) await peer.next('ExecuteRequest');
        for (const execution of stage.executions) execution.cancel('to see whether it listens');
        for (let n = 0; !isHeld(type) && n < 100; n += 1) stage.clock.step();
        return [await arrived(type)];
      }
      case 'activity.started':
        if (!isHeld(type)) stage.execute(subject());
        return [await arrived(type)];
      case 'activity.idle': {
        const { session } = context();
        const peer = far.get(session!)!;
        const request =
          peer.asked()[0] ?? (await Promise.race([peer.next('ExecuteRequest'), new Promise<null>(later => setImmediate(later, null))]));
        if (request !== null) peer.answer(request);
        for (const execution of stage.executions) if (request === null) execution.cancel('the test has seen enough');
        await Promise.race(request === null ? [] : stage.executions.map(each => each.result.catch(() => {})));
        for (let n = 0; !isHeld(type) && n < 100; n += 1) stage.clock.step();
        return [await arrived(type)];
      }
      case 'stop':
        void subject().stop({ grace: event.grace as number });
        return [await arrived(type)];
      default:
        return [await arrived(type)];
    }
  };

  const check = (): void => {
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
      // expect() throws where it has no address to hand out, as when the gate holds it back.
      if (kind.external) spearlet.expect({ artifactId: 'subject' }).ready.catch(() => {});
      else {
        spearlet
          .start({
            artifactId: 'subject',
            command: program,
            restart: input.restart,
            maxMemory: MAX_MEMORY,
            onUnresponsive: input.onUnresponsive,
          })
          .catch(() => {});
        await null;
      }
    } catch {
      // As said.
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
    rmSync(folder, { recursive: true });
  }
  return { finding, taken: gate.taken, visited: gate.visited };
}

/** From wherever a path has led, stop() ends it all: once, for good, with nothing left. */
async function afterwards(stage: Stage): Promise<string | null> {
  await stage.stop();
  const ends = stage.ends().map(({ updates, results }) => [updates, results]);
  if (ends.some(([updates, results]) => updates !== 1 || results !== 1)) return `executions ended so many times: ${JSON.stringify(ends)}`;
  const stops = stage.events.filter(event => event.type === 'instance.state' && event.state === 'stopped').length;
  if (stops !== 1) return `it stopped ${stops} times`;
  const last = stage.events.findIndex(event => event.type === 'instance.state' && event.state === 'stopped');
  const after = stage.events.slice(last + 1).filter(event => event.type !== 'connection.closed');
  if (after.length > 0) return `after its end: ${after.map(event => event.type).join()}`;
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

// Causes each event of the connection chart in the running engine, over real sockets.
import type { AnyMachineSnapshot } from 'xstate';
import { connectionMachine } from '../../machines/index.ts';
import { encodeExecuteResponse } from '../../src/protocol/v1/messages.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { authRequest, until } from '../situations/world.ts';
import { type ModelEvent, pathsOf, type Step } from './paths.ts';
import { type AgentEnd, idOf, type ListenerKind, openStage } from './stage.ts';
import { delayOf, elapse, type Played, play, receive } from './walk.ts';

const FOREVER = 2 ** 31 - 1;
const INTERVAL = 10_000;
/** More than a slow reader may leave unread, in bytes. */
const FLOOD = 2 ** 20 + 2 ** 16;

const INSTANCE = `subject-${idOf(1)}`;
export const connectionInput = (listener: ListenerKind) => ({
  instanceId: listener === 'own' ? INSTANCE : null,
  connectionId: 'connection-1',
  misses: listener === 'own' ? 3 : 1,
});

const cases =
  (listener: ListenerKind) =>
  (type: string): ModelEvent[] => {
    switch (type) {
      case 'xstate.done.actor.authenticator':
        return (listener === 'own' ? ['genuine', 'foreign'] : ['routed', 'foreign']).map(verdict => ({ type, output: { verdict } }));
      case 'xstate.error.actor.authenticator':
        // Only the lookup of an unknown instance can fail.
        return listener === 'own' ? [] : [{ type, error: 'broken' }];
      case 'link.closed':
        return [{ type, code: 'LINK_LOST', message: 'closed' }];
      case 'drain':
        return [{ type, grace: 100 }];
      default:
        return [{ type }];
    }
  };

const bits = ({ missed, code }: { missed: number; code: string }) => [missed, code];

const heard: ModelEvent = { type: 'link.heard' };
const silent: ModelEvent = { type: 'link.silent' };
/** Paths with repeated events. The model does not need them, but the timers of the link must restart each time. */
const repeated: ModelEvent[][] = [[heard, heard, silent, heard, silent, silent, heard, silent, silent, silent, heard, heard]].map(beats => [
  { type: 'auth.received' },
  { type: 'xstate.done.actor.authenticator', output: { verdict: 'genuine' } },
  { type: 'session.granted' },
  ...beats,
]);

/** The model does not know whether a link is being checked or is paused, and which events are possible then. */
function feasible(steps: readonly Step[]): number {
  let checked = false;
  let paused = false;
  for (const [i, { event }] of steps.entries()) {
    const before = steps[i - 1]?.state;
    const { type } = event;
    if (/^(silence|heartbeat|finalCheck)$/.test(delayOf(type) ?? '')) {
      if (checked) return i;
      checked = true;
    }
    if (/^link\.(heard|silent|answered)$/.test(type)) checked = false;
    if (type === 'probe') checked = false;
    if (type.startsWith('reading.')) paused = type === 'reading.paused';
    // From a paused connection nothing is read, so none of these events occurs.
    if (paused && /^link\.(silent|answered|closed)$/.test(type)) return i;
    // During authentication nothing more is read from the connection.
    if (type === 'link.closed' && before?.matches('authenticating' as never)) return i;
  }
  return steps.length;
}

export const connectionPaths = (listener: ListenerKind): Step[][] =>
  pathsOf({
    machine: connectionMachine,
    input: connectionInput(listener),
    cases: cases(listener),
    bits: bits as never,
    feasible,
    also: listener === 'own' ? repeated : [],
  });

/** Plays one path against the engine. */
export async function playConnection(listener: ListenerKind, steps: readonly Step[], charts?: Charts): Promise<Played> {
  const input = connectionInput(listener);
  const stage = openStage({
    charts,
    options: {
      ports: 0,
      listener: listener === 'own' ? 'perInstance' : 'shared',
      connectTimeout: FOREVER,
      reconnectWindow: FOREVER,
      authTimeout: 5_000,
      heartbeat: { interval: INTERVAL, misses: 3 },
    },
    isSubject: actor => actor.logic.id === 'connection',
    // Reading also pauses during authentication; the chart ignores these events.
    holds: (event, subject) => !event.type.startsWith('reading.') || (subject.getSnapshot() as AnyMachineSnapshot).can(event),
  });
  const { spearlet, gate, random, clock } = stage;
  const expected = spearlet.expect({ artifactId: 'subject' });
  expected.ready.catch(() => {});
  const { environment } = expected;
  const right = authRequest(environment);
  const wrong = authRequest(environment, { token: 'wrong' });
  const unknown = authRequest(environment, { instanceId: 'nobody' });

  const value = (): unknown => (gate.subject.getSnapshot() as AnyMachineSnapshot).value;
  const heartbeat = (): string => (value() as { ready?: { heartbeat: string } }).ready?.heartbeat ?? '';
  const arrived = (type: string): Promise<ModelEvent> => receive(stage, event => event.type === type);
  const connect = (): Promise<AgentEnd> => stage.connect(environment.SPEARLET_ADDR);

  let agentEnd: AgentEnd | null = null;
  /** When the host last received a message, and when the state `idle` was entered after that. */
  let receivedAt = clock.now();
  let idleSince = clock.now();
  let checked = false;
  let paused = false;
  let beats = 0;
  let claimant: AgentEnd | null = null;
  let unread: AsyncIterator<unknown> | null = null;

  /** Sends an unexpected message to the host. */
  const sendUnexpected = async (): Promise<void> => {
    if (!paused) {
      const received = (): number => spearlet.stats().instances[0]!.connections.find(each => each.session)!.messagesReceived;
      const before = received();
      agentEnd!.send('Error', 1, 'unexpected');
      await until(() => received() > before);
    }
    receivedAt = clock.now();
  };

  /** Lets the timer of the heartbeat state elapse, after which the link is checked. `receives`: a message arrives before that. */
  const elapseHeartbeat = async (receives: boolean): Promise<ModelEvent> => {
    const state = heartbeat();
    const name = { idle: 'silence', awaiting: 'heartbeat', suspect: 'finalCheck' }[state] ?? '';
    const ms = { silence: Math.max(1, INTERVAL - (idleSince - receivedAt)), heartbeat: INTERVAL, finalCheck: 50 }[name] ?? Number.NaN;
    if (receives) {
      clock.pass(Math.floor(ms / 2));
      await sendUnexpected();
    }
    checked = true;
    return elapse(stage, `xstate.after.${name}.connection.ready.heartbeat.${state}`, ms);
  };

  const claimSession = async (): Promise<AgentEnd> => {
    const other = await connect();
    other.send('AuthRequest', 1, right);
    return other;
  };

  const perform = async (event: ModelEvent, ahead: readonly ModelEvent[]): Promise<readonly ModelEvent[]> => {
    const { type } = event;
    const next = (pattern: RegExp): ModelEvent | undefined => ahead.find(each => pattern.test(each.type));
    const delay = delayOf(type);
    if (delay === 'authTimeout') return [elapse(stage, type, 5_000)];
    if (delay === 'probe') return [elapse(stage, type, 1_000)];
    if (delay !== null) return [await elapseHeartbeat(next(/^link\.(heard|silent)$/)?.type === 'link.heard')];
    switch (type) {
      case 'auth.received': {
        const verdict = next(/^xstate\.(done|error)\.actor\.authenticator$/);
        random.broken = verdict?.type.startsWith('xstate.error') ? 'token' : null;
        const isForeign = (verdict?.output as { verdict?: string } | undefined)?.verdict === 'foreign';
        agentEnd!.send('AuthRequest', 1, random.broken ? unknown : isForeign ? wrong : right);
        const arrivedEvent = await arrived(type);
        random.broken = null;
        return [arrivedEvent];
      }
      case 'xstate.done.actor.authenticator': {
        // The session is denied only where another connection holds it and answers the probe.
        if (next(/^session\./)?.type === 'session.denied') {
          claimant = await claimSession();
          await claimant.next('AuthResponse');
        }
        return [await arrived(type)];
      }
      case 'session.denied': {
        const beat = await claimant!.next('Heartbeat');
        claimant!.send('Heartbeat', beat.requestId, '');
        return [await arrived(type)];
      }
      case 'session.granted': {
        const arrivedEvent = await arrived(type);
        idleSince = clock.now();
        return [arrivedEvent];
      }
      case 'link.heard':
      case 'link.silent': {
        const timer = checked ? [] : [await elapseHeartbeat(type === 'link.heard')];
        checked = false;
        const arrivedEvent = await arrived(type);
        if (heartbeat() === 'idle') idleSince = clock.now();
        if (paused) receivedAt = clock.now();
        return [...timer, arrivedEvent];
      }
      case 'link.answered': {
        const sent = (): readonly { requestId: unknown }[] => agentEnd!.received.filter(each => each.type === 'Heartbeat');
        await until(() => sent().length > beats);
        agentEnd!.send('Heartbeat', sent().at(-1)!.requestId as number, '');
        const arrivedEvent = await arrived(type);
        receivedAt = clock.now();
        idleSince = clock.now();
        return [arrivedEvent];
      }
      case 'link.closed':
        if (value() === 'accepted') agentEnd!.socket.write(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0x21]));
        else agentEnd!.close();
        return [await arrived(type)];
      case 'probe':
        beats = agentEnd!.received.filter(each => each.type === 'Heartbeat').length;
        claimant = await claimSession();
        // Heartbeats that were sent before the probe have arrived by then.
        await gate.wait(each => each.type === type);
        beats = Math.max(beats, agentEnd!.received.filter(each => each.type === 'Heartbeat').length);
        checked = false;
        return [await arrived(type)];
      case 'drain':
        void expected.stop({ grace: 100 });
        return [await arrived(type)];
      case 'reading.paused': {
        const instance = await expected.ready;
        const execution = stage.execute(instance);
        unread = execution[Symbol.asyncIterator]();
        const request = await agentEnd!.next('ExecuteRequest');
        const { taskId } = execution;
        const answer = (status: 'Running' | 'Completed', output: string | null): string =>
          encodeExecuteResponse({ taskId, status, output, error: null, exitCode: null });
        agentEnd!.send('ExecuteResponse', request.requestId, answer('Running', 'x'.repeat(FLOOD)));
        const arrivedEvent = await arrived(type);
        receivedAt = clock.now();
        paused = true;
        return [arrivedEvent];
      }
      case 'reading.resumed': {
        await unread!.next();
        await unread!.next();
        paused = false;
        receivedAt = clock.now();
        return [await arrived(type)];
      }
      default:
        return [await arrived(type)];
    }
  };

  const check = (): void => {
    const sessions = spearlet.stats().instances.flatMap(each => each.connections.filter(connection => connection.session));
    if (sessions.length > 1) throw new Error(`${sessions.length} live sessions`);
  };

  let finding: string | null = null;
  try {
    agentEnd = await connect();
    await until(() => gate.hasSubject);
    finding = await play({ stage, machine: connectionMachine, input, steps, perform, check });
    if (finding === null && gate.subject.getSnapshot().status === 'done') {
      const { code } = (gate.subject.getSnapshot() as AnyMachineSnapshot).context as { code: string };
      if (code !== 'HANDED_OVER') await agentEnd.closed;
      const answers = agentEnd.received.filter(each => each.type === 'AuthResponse').map(each => each.payload.toString());
      const denied = code === 'ALREADY_CLAIMED' || (code === 'AUTH_REFUSED' && answers.length > 0);
      if (denied && !(answers.length === 1 && answers[0]!.includes('"success":false'))) finding = `it was answered ${answers.join()}`;
    }
    if (finding === null) {
      await stage.stop();
      const closed = stage.events.filter(each => each.type === 'connection.closed');
      const labels = new Set(closed.map(each => each.connectionId));
      if (labels.size !== closed.length) finding = 'the end of a connection was reported twice';
      const ends = stage.ends().filter(({ updates, results }) => updates !== 1 || results !== 1);
      if (ends.length > 0) finding = 'an execution did not end once';
    }
  } catch (thrown) {
    finding = `${steps.map(step => step.event.type).join(' > ')}: ${(thrown as Error).message}`;
  } finally {
    if (finding !== null) stage.abandon();
  }
  return { finding, taken: gate.taken, visited: gate.visited };
}

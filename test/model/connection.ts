// Causes each event of the connection chart in the running engine, over real sockets.
import type { AnyMachineSnapshot } from 'xstate';
import { connectionMachine } from '../../machines/index.ts';
import type { Challenge } from '../../src/protocol/message.ts';
import { encodeExecuteResponse } from '../../src/protocol/v1/messages.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { nonce, type Resumable } from '../situations/prover.ts';
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
  connectionActorId: 'connection-1',
  misses: listener === 'own' ? 3 : 1,
});

/** The verdicts that let a connection in, on wire v1 and on v2. The search takes the first. */
const admitting = (listener: ListenerKind) =>
  listener === 'own'
    ? ([
        { verdict: 'authenticated', by: 'v1' },
        { verdict: 'authenticated', by: 'token' },
      ] as const)
    : [{ verdict: 'routed' }];

const cases =
  (listener: ListenerKind) =>
  (type: string): ModelEvent[] => {
    switch (type) {
      case 'xstate.done.actor.authenticator':
        return [
          ...admitting(listener),
          { verdict: 'challenged' },
          { verdict: 'noCommonVersion', message: '' },
          { verdict: 'wrongCredentials' },
        ].map(output => ({
          type,
          output,
        }));
      case 'xstate.error.actor.authenticator':
        // Only the lookup of an unknown instance can fail.
        return listener === 'own' ? [] : [{ type, error: 'broken' }];
      case 'link.closed':
        return [{ type, code: 'LINK_LOST', message: 'closed' }];
      case 'askToEnd':
        return [{ type, grace: 100 }];
      default:
        return [{ type }];
    }
  };

const ACCEPTED = { authenticating: 'accepted' };
const PROVING = { authenticating: 'proving' };
const WELCOMED = { authenticating: 'welcomed' };
const bits = ({ missed, code }: { missed: number; code: string }) => [missed, code];

const verdictOf = (output: object): ModelEvent => ({ type: 'xstate.done.actor.authenticator', output });
const verdictName = (event: ModelEvent | undefined): string | undefined => (event?.output as { verdict?: string } | undefined)?.verdict;
const isVerdict = ({ type }: ModelEvent): boolean => /^xstate\.(done|error)\.actor\.authenticator$/.test(type);

const heard: ModelEvent = { type: 'link.heard' };
const silent: ModelEvent = { type: 'link.silent' };
/** Paths with repeated events. The model does not need them, but the timers of the link must restart each time. */
const repeated: ModelEvent[][] = [[silent, heard, silent, silent, heard, silent, heard, silent, silent, heard]].map(beats => [
  { type: 'auth.received' },
  verdictOf({ verdict: 'authenticated', by: 'v1' }),
  { type: 'session.granted' },
  { type: 'session.used' },
  ...beats,
]);

const alsoOnV1 = (listener: ListenerKind) => (listener === 'own' ? repeated : []);

const authTimeout: ModelEvent = { type: 'xstate.after.authTimeout.connection.authenticating' };
const linkClosed: ModelEvent = { type: 'link.closed', code: 'LINK_LOST', message: 'closed' };
/** What only wire v2 has: a session that waits for its agent, and one that a new connection of the same agent takes over. */
const onV2: ModelEvent[][] = [['session.replaced'], ['session.used', 'session.replaced']]
  .map(types => types.map(type => ({ type }) as ModelEvent))
  .concat([[authTimeout], [linkClosed]])
  .map(rest => [
    ...[{ type: 'auth.received' }, verdictOf({ verdict: 'challenged' }), { type: 'proof.received' }],
    ...[verdictOf({ verdict: 'authenticated', by: 'token' }), { type: 'session.granted' }, ...rest],
  ]);

/** The same path of an agent that speaks v2: it proves itself first. The chart does not know which version is spoken. */
function proven(listener: ListenerKind, events: readonly ModelEvent[]): ModelEvent[] | null {
  const at = events.findIndex(isVerdict);
  if (at === -1) return null;
  const verdict = verdictName(events[at]);
  if (verdict === 'challenged' || verdict === 'noCommonVersion') return null;
  const [first, ...rest] = events.slice(at);
  const decided = verdict === 'authenticated' || verdict === 'routed' ? verdictOf(admitting(listener).at(-1)!) : first!;
  return [...events.slice(0, at), verdictOf({ verdict: 'challenged' }), { type: 'proof.received' }, decided, ...rest];
}

/** The model does not know whether a link is being checked or is paused, and which events are possible then. */
function feasible(steps: readonly Step[]): number {
  let checked = false;
  let paused = false;
  let speaksV2 = false;
  for (const [i, { event }] of steps.entries()) {
    const before = steps[i - 1]?.state;
    const { type } = event;
    if (/^(heartbeat|finalCheck)$/.test(delayOf(type) ?? '')) {
      if (checked) return i;
      checked = true;
    }
    if (/^link\.(heard|silent|answered)$/.test(type)) checked = false;
    if (type === 'probe') checked = false;
    if (type === 'proof.received') speaksV2 = true;
    // On wire v2 a slow reader holds back its own execution only.
    if (speaksV2 && type.startsWith('reading.')) return i;
    if (type.startsWith('reading.')) paused = type === 'reading.paused';
    // From a paused connection nothing is read, so none of these events occurs.
    if (paused && /^link\.(silent|answered|closed)$/.test(type)) return i;
    // While the host decides, nothing more is read from the connection.
    const isDeciding =
      before?.matches('authenticating' as never) && ![ACCEPTED, PROVING, WELCOMED].some(each => before.matches(each as never));
    if (type === 'link.closed' && isDeciding) return i;
    // On wire v1 a granted session is used at once.
    if (!speaksV2 && before?.matches(WELCOMED as never) && type !== 'session.used') return i;
    // Only the holder of the session is replaced.
    const isHolder = ['ready', WELCOMED].some(each => before?.matches(each as never));
    if (type === 'session.replaced' && !(speaksV2 && isHolder)) return i;
    if (isVerdict(event)) {
      const isProof = steps[i - 1]!.event.type === 'proof.received';
      const { verdict, by } = (event.output ?? {}) as { verdict?: string; by?: string };
      if (isProof ? verdict === 'challenged' || verdict === 'noCommonVersion' || by === 'v1' : by === 'token') return i;
      // Only an unknown instance, or the nonce of an offer, needs the random source.
      if (isProof && type.startsWith('xstate.error')) return i;
    }
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
    also: listener === 'own' ? [...repeated, ...onV2] : [],
    derived: found =>
      [...found.map(steps => steps.map(({ event }) => event)), ...alsoOnV1(listener)]
        .map(events => proven(listener, events))
        .filter(events => events !== null),
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
  /** When the host last received a message. */
  let receivedAt = clock.now();
  let checked = false;
  let paused = false;
  let beats = 0;
  let claimant: AgentEnd | null = null;
  let challenge: Challenge | null = null;
  let resumable: Resumable | null = null;
  let speaksV2 = false;
  let unread: AsyncIterator<unknown> | null = null;

  /** The heartbeats of the host. */
  const heartbeats = () => agentEnd!.received.filter(each => each.type === 'Heartbeat');

  /** Sends an unexpected message to the host. */
  const sendUnexpected = async (): Promise<void> => {
    if (!paused) {
      const received = (): number => spearlet.stats().instances[0]!.connections.find(each => each.session)!.messagesReceived;
      const before = received();
      agentEnd!.send('Error', speaksV2 ? 0 : 1, 'unexpected');
      await until(() => received() > before);
    }
    receivedAt = clock.now();
  };

  /** Lets the timer of the heartbeat state elapse, after which the link is checked. `receives`: a message arrives before that. */
  const elapseHeartbeat = async (receives: boolean): Promise<ModelEvent> => {
    const state = heartbeat();
    const name = { awaiting: 'heartbeat', suspect: 'finalCheck' }[state] ?? '';
    const ms = { heartbeat: INTERVAL, finalCheck: 50 }[name] ?? Number.NaN;
    if (receives) {
      clock.pass(Math.floor(ms / 2));
      await sendUnexpected();
    }
    checked = true;
    return elapse(stage, `xstate.after.${name}.connection.ready.heartbeat.${state}`, ms);
  };

  /** Lets time pass until the first heartbeat of a silence was not answered. The chart has no timer for it: the link looks by itself. */
  const fallSilent = async (): Promise<ModelEvent> => {
    while (!gate.held.some(({ event }) => event.type === 'link.silent') && clock.step() !== null)
      await new Promise<void>(resolve => setImmediate(resolve));
    const silence = clock.now() - receivedAt;
    if (silence < 2 * INTERVAL || silence > 2.125 * INTERVAL) throw new Error(`link.silent came after a silence of ${silence} ms`);
    return arrived('link.silent');
  };

  /** Another connection of the same program, which speaks the same version. `resumes`: it goes on with the epoch of this one. */
  const claimSession = async (resumes: Resumable | null = null): Promise<AgentEnd> => {
    const other = await connect();
    if (speaksV2) {
      other.offer(environment, {}, resumes ?? undefined);
      other.sendProof(other.proof(await other.challenge()));
    } else other.send('AuthRequest', 1, right);
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
        const verdict = ahead.find(isVerdict);
        random.broken = verdict?.type.startsWith('xstate.error') ? 'token' : null;
        switch (verdictName(verdict)) {
          case 'challenged':
            speaksV2 = true;
            agentEnd!.offer(environment);
            break;
          case 'noCommonVersion':
            agentEnd!.offer(environment, { protocols: [1, 3] });
            break;
          case 'wrongCredentials':
            agentEnd!.send('AuthRequest', 1, wrong);
            break;
          default:
            agentEnd!.send('AuthRequest', 1, random.broken ? unknown : right);
        }
        const arrivedEvent = await arrived(type);
        random.broken = null;
        return [arrivedEvent];
      }
      case 'proof.received': {
        challenge = await agentEnd!.challenge();
        agentEnd!.sendProof(verdictName(ahead.find(isVerdict)) === 'wrongCredentials' ? nonce() : agentEnd!.proof(challenge));
        return [await arrived(type)];
      }
      case 'xstate.done.actor.authenticator': {
        // The session is denied only where another connection holds it and answers the probe.
        if (verdictName(event) === 'authenticated' && next(/^session\./)?.type === 'session.denied') {
          claimant = await claimSession();
          await claimant.next('AuthResponse');
          if (speaksV2) claimant.confirm();
          await expected.ready;
        }
        return [await arrived(type)];
      }
      case 'session.denied': {
        const beat = await claimant!.next('Heartbeat');
        claimant!.send('Heartbeat', beat.requestId, '');
        return [await arrived(type)];
      }
      case 'session.used': {
        if (speaksV2) {
          resumable = await agentEnd!.welcomed(challenge!);
          agentEnd!.confirm();
        }
        const arrivedEvent = await arrived(type);
        if (!gate.reports.includes('session.opened')) throw new Error('the session was not announced');
        receivedAt = clock.now();
        return [arrivedEvent];
      }
      case 'session.replaced':
        // An unused session is replaced by any proof of its agent, a used one by the resume key alone.
        claimant = await claimSession(resumable);
        return [await arrived(type)];
      case 'link.heard':
      case 'link.silent': {
        if (heartbeat() === 'idle') return [await fallSilent()];
        const timer = checked ? [] : [await elapseHeartbeat(type === 'link.heard')];
        checked = false;
        const arrivedEvent = await arrived(type);
        if (paused) receivedAt = clock.now();
        return [...timer, arrivedEvent];
      }
      case 'link.answered': {
        await until(() => heartbeats().length > beats);
        agentEnd!.send('Heartbeat', heartbeats().at(-1)!.requestId, '');
        const arrivedEvent = await arrived(type);
        receivedAt = clock.now();
        return [arrivedEvent];
      }
      case 'link.closed':
        if ((gate.subject.getSnapshot() as AnyMachineSnapshot).matches(ACCEPTED as never))
          agentEnd!.socket.write(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0x21]));
        else agentEnd!.close();
        return [await arrived(type)];
      case 'probe':
        beats = heartbeats().length;
        claimant = await claimSession();
        // Heartbeats that were sent before the probe have arrived by then.
        await gate.wait(each => each.type === type);
        beats = Math.max(beats, heartbeats().length);
        checked = false;
        return [await arrived(type)];
      case 'askToEnd':
        void expected.stop({ grace: 100 });
        return [await arrived(type)];
      case 'reading.paused': {
        const instance = await expected.ready;
        const execution = stage.execute(instance);
        unread = execution[Symbol.asyncIterator]();
        const request = await agentEnd!.next('ExecuteRequest');
        const { taskId } = execution;
        const output = 'x'.repeat(FLOOD);
        const onV1 = encodeExecuteResponse({ taskId, status: 'Running', output, error: null, exitCode: null });
        agentEnd!.send('ExecuteResponse', request.requestId, speaksV2 ? output : onV1);
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
      const denied = ['ALREADY_CLAIMED', 'VERSION_MISMATCH'].includes(code) || (code === 'AUTH_REFUSED' && answers.length > 0);
      // A challenge is an AuthResponse, too.
      const isRefused = answers.length === (speaksV2 ? 2 : 1) && answers.at(-1)!.includes('"success":false,"error_message":"');
      if (denied && !isRefused) finding = `it was answered ${answers.join()}`;
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

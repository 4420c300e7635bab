// The connection machine in the engine: how each of its events is made to happen, over real sockets.
import type { AnyMachineSnapshot } from 'xstate';
import { connectionMachine } from '../../machines/index.ts';
import { encodeExecuteResponse } from '../../src/protocol/v1/messages.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { authRequest, until } from '../situations/world.ts';
import { type Happening, pathsOf, type Step } from './paths.ts';
import { type Far, idOf, openStage } from './stage.ts';
import { delayOf, elapse, type Played, play, receive } from './walk.ts';

const FOREVER = 2 ** 31 - 1;
const INTERVAL = 10_000;
/** More than a slow reader may leave unread, in bytes. */
const FLOOD = 2 ** 20 + 2 ** 16;

/** `own`: it came in by the listener of its instance; `stranger`: by the shared one. */
export const doors = ['own', 'stranger'] as const;
export type Door = (typeof doors)[number];

const INSTANCE = `subject-${idOf(1)}`;
export const connectionInput = (door: Door) => ({
  instanceId: door === 'own' ? INSTANCE : null,
  connectionId: 'connection-1',
  misses: door === 'own' ? 3 : 1,
});

const cases =
  (door: Door) =>
  (type: string): Happening[] => {
    switch (type) {
      case 'xstate.done.actor.authenticator':
        return (door === 'own' ? ['genuine', 'foreign'] : ['routed', 'foreign']).map(verdict => ({ type, output: { verdict } }));
      case 'xstate.error.actor.authenticator':
        // It looks up nothing that can fail where it knows the instance.
        return door === 'own' ? [] : [{ type, error: 'broken' }];
      case 'link.closed':
        return [{ type, code: 'LINK_LOST', message: 'closed' }];
      case 'drain':
        return [{ type, grace: 100 }];
      default:
        return [{ type }];
    }
  };

const bits = ({ missed, code }: { missed: number; code: string }) => [missed, code];

const heard: Happening = { type: 'link.heard' };
const silent: Happening = { type: 'link.silent' };
/** To a model it is all one whether a link is heard of once or twice; its timers must begin anew each time. */
const againAndAgain: Happening[][] = [[heard, heard, silent, heard, silent, silent, heard, silent, silent, silent, heard, heard]].map(
  beats => [
    { type: 'auth.received' },
    { type: 'xstate.done.actor.authenticator', output: { verdict: 'genuine' } },
    { type: 'session.granted' },
    ...beats,
  ],
);

/** Whether a link is looked at, heard of or held is the link's to know, not the model's. */
function feasible(steps: readonly Step[]): number {
  let looked = false;
  let paused = false;
  for (const [i, { event }] of steps.entries()) {
    const before = steps[i - 1]?.state;
    const { type } = event;
    if (/^(silence|heartbeat|finalCheck)$/.test(delayOf(type) ?? '')) {
      if (looked) return i;
      looked = true;
    }
    if (/^link\.(heard|silent|answered)$/.test(type)) looked = false;
    if (type === 'probe') looked = false;
    if (type.startsWith('reading.')) paused = type === 'reading.paused';
    // What we do not read is never silence, and tells us nothing.
    if (paused && /^link\.(silent|answered|closed)$/.test(type)) return i;
    // While it is judged, nothing more is read from it.
    if (type === 'link.closed' && before?.matches('authenticating' as never)) return i;
  }
  return steps.length;
}

export const connectionPaths = (door: Door): Step[][] =>
  pathsOf({
    machine: connectionMachine,
    input: connectionInput(door),
    cases: cases(door),
    bits: bits as never,
    feasible,
    also: door === 'own' ? againAndAgain : [],
  });

/** Plays one path against the engine. */
export async function playConnection(door: Door, steps: readonly Step[], charts?: Charts): Promise<Played> {
  const input = connectionInput(door);
  const stage = openStage({
    charts,
    options: {
      ports: 0,
      listener: door === 'own' ? 'perInstance' : 'shared',
      connectTimeout: FOREVER,
      reconnectWindow: FOREVER,
      authTimeout: 5_000,
      heartbeat: { interval: INTERVAL, misses: 3 },
    },
    isSubject: actor => actor.logic.id === 'connection',
    // Reading is held while the token is judged, too: of that the chart takes no notice.
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
  const arrived = (type: string): Promise<Happening> => receive(stage, event => event.type === type);
  const connect = (): Promise<Far> => stage.connect(environment.SPEARLET_ADDR);

  let far: Far | null = null;
  /** When the host last heard of it, and when the rest after that began. */
  let heardAt = clock.now();
  let restedAt = clock.now();
  let looked = false;
  let paused = false;
  let beats = 0;
  let rival: Far | null = null;
  let unread: AsyncIterator<unknown> | null = null;

  /** Makes the host hear something that it does not wait for. */
  const speak = async (): Promise<void> => {
    if (!paused) {
      const received = (): number => spearlet.stats().instances[0]!.connections.find(each => each.session)!.messagesReceived;
      const before = received();
      far!.send('Error', 1, 'nothing in particular');
      await until(() => received() > before);
    }
    heardAt = clock.now();
  };

  /** The timer of the state runs out, and the link is looked at; something is heard before that or not. */
  const look = async (heard: boolean): Promise<Happening> => {
    const state = heartbeat();
    const name = { idle: 'silence', awaiting: 'heartbeat', suspect: 'finalCheck' }[state] ?? '';
    const ms = { silence: Math.max(1, INTERVAL - (restedAt - heardAt)), heartbeat: INTERVAL, finalCheck: 50 }[name] ?? Number.NaN;
    if (heard) {
      clock.pass(Math.floor(ms / 2));
      await speak();
    }
    looked = true;
    return elapse(stage, `xstate.after.${name}.connection.ready.heartbeat.${state}`, ms);
  };

  const rivalry = async (): Promise<Far> => {
    const other = await connect();
    other.send('AuthRequest', 1, right);
    return other;
  };

  const perform = async (event: Happening, ahead: readonly Happening[]): Promise<readonly Happening[]> => {
    const { type } = event;
    const next = (pattern: RegExp): Happening | undefined => ahead.find(each => pattern.test(each.type));
    const delay = delayOf(type);
    if (delay === 'authTimeout') return [elapse(stage, type, 5_000)];
    if (delay === 'probe') return [elapse(stage, type, 1_000)];
    if (delay !== null) return [await look(next(/^link\.(heard|silent)$/)?.type === 'link.heard')];
    switch (type) {
      case 'auth.received': {
        const verdict = next(/^xstate\.(done|error)\.actor\.authenticator$/);
        random.broken = verdict?.type.startsWith('xstate.error') ? 'token' : null;
        const isForeign = (verdict?.output as { verdict?: string } | undefined)?.verdict === 'foreign';
        far!.send('AuthRequest', 1, random.broken ? unknown : isForeign ? wrong : right);
        const happened = await arrived(type);
        random.broken = null;
        return [happened];
      }
      case 'xstate.done.actor.authenticator': {
        // Only a session that another holds, and proves to be alive, is denied.
        if (next(/^session\./)?.type === 'session.denied') {
          rival = await rivalry();
          await rival.next('AuthResponse');
        }
        return [await arrived(type)];
      }
      case 'session.denied': {
        const beat = await rival!.next('Heartbeat');
        rival!.send('Heartbeat', beat.requestId, '');
        return [await arrived(type)];
      }
      case 'session.granted': {
        const happened = await arrived(type);
        restedAt = clock.now();
        return [happened];
      }
      case 'link.heard':
      case 'link.silent': {
        const timer = looked ? [] : [await look(type === 'link.heard')];
        looked = false;
        const happened = await arrived(type);
        if (heartbeat() === 'idle') restedAt = clock.now();
        if (paused) heardAt = clock.now();
        return [...timer, happened];
      }
      case 'link.answered': {
        const sent = (): readonly { requestId: unknown }[] => far!.received.filter(each => each.type === 'Heartbeat');
        await until(() => sent().length > beats);
        far!.send('Heartbeat', sent().at(-1)!.requestId as number, '');
        const happened = await arrived(type);
        heardAt = clock.now();
        restedAt = clock.now();
        return [happened];
      }
      case 'link.closed':
        if (value() === 'accepted') far!.socket.write(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0x21]));
        else far!.close();
        return [await arrived(type)];
      case 'probe':
        beats = far!.received.filter(each => each.type === 'Heartbeat').length;
        rival = await rivalry();
        // What was sent before is there before that.
        await gate.wait(each => each.type === type);
        beats = Math.max(beats, far!.received.filter(each => each.type === 'Heartbeat').length);
        looked = false;
        return [await arrived(type)];
      case 'drain':
        void expected.stop({ grace: 100 });
        return [await arrived(type)];
      case 'reading.paused': {
        const instance = await expected.ready;
        const execution = stage.execute(instance);
        unread = execution[Symbol.asyncIterator]();
        const request = await far!.next('ExecuteRequest');
        const { taskId } = execution;
        const answer = (status: 'Running' | 'Completed', output: string | null): string =>
          encodeExecuteResponse({ taskId, status, output, error: null, exitCode: null });
        far!.send('ExecuteResponse', request.requestId, answer('Running', 'x'.repeat(FLOOD)));
        const happened = await arrived(type);
        heardAt = clock.now();
        paused = true;
        return [happened];
      }
      case 'reading.resumed': {
        await unread!.next();
        await unread!.next();
        paused = false;
        heardAt = clock.now();
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
    far = await connect();
    await until(() => gate.born);
    finding = await play({ stage, machine: connectionMachine, input, steps, perform, check });
    if (finding === null && gate.subject.getSnapshot().status === 'done') {
      const { code } = (gate.subject.getSnapshot() as AnyMachineSnapshot).context as { code: string };
      if (code !== 'HANDED_OVER') await far.closed;
      const answers = far.received.filter(each => each.type === 'AuthResponse').map(each => each.payload.toString());
      const denied = code === 'ALREADY_CLAIMED' || (code === 'AUTH_REFUSED' && answers.length > 0);
      if (denied && !(answers.length === 1 && answers[0]!.includes('"success":false'))) finding = `it was answered ${answers.join()}`;
    }
    if (finding === null) {
      await stage.stop();
      const told = stage.events.filter(each => each.type === 'connection.closed');
      const labels = new Set(told.map(each => each.connectionId));
      if (labels.size !== told.length) finding = 'the end of a connection was told twice';
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

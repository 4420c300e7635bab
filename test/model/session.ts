// Causes each event of the session chart in the running engine, over real sockets and with agents of wire v1 and v2.
import type { AnyMachineSnapshot } from 'xstate';
import { type SessionContext, sessionMachine } from '../../machines/index.ts';
import type { Authentication } from '../../src/agent/authentication.ts';
import type { Instance } from '../../src/index.ts';
import type { Charts } from '../../src/supervisor/wiring.ts';
import { seen } from '../situations/world.ts';
import { authenticationOf, connectAgentEnd, type SpokenEnd } from './agent-end.ts';
import { type ModelEvent, pathsOf, type Step } from './paths.ts';
import { idOf, obedient, openStage } from './stage.ts';
import { type Played, play, receive } from './walk.ts';

const FOREVER = 2 ** 31 - 1;
const AUTH_TIMEOUT = 1_000_000;
const INSTANCE = `subject-${idOf(1)}`;

/** Who started the program, and which version of the wire its agents speak. Within one incarnation v1 does not follow v2. */
export interface SessionKind {
  readonly name: string;
  readonly external: boolean;
  readonly version: 1 | 2;
}

export const sessionKinds: readonly SessionKind[] = [
  { name: 'started, v1', external: false, version: 1 },
  { name: 'started, v2', external: false, version: 2 },
  { name: 'external, v1', external: true, version: 1 },
  { name: 'external, v2', external: true, version: 2 },
];

export const sessionInput = ({ external }: SessionKind) => ({ instanceId: INSTANCE, misses: 3, external });

/** The events that can happen in a state. */
const cases =
  ({ version, external }: SessionKind) =>
  (type: string, snapshot: AnyMachineSnapshot): ModelEvent[] => {
    const { connections, holder, claimant, used } = snapshot.context as SessionContext;
    const isClosed = snapshot.matches('closed');
    switch (type) {
      case 'accept': {
        const free = (claimant === null ? [1, 2] : [1, 2, 3]).find(n => !connections.includes(`connection-${n}`));
        return isClosed || free === undefined ? [] : [{ type, connectionActorId: `connection-${free}` }];
      }
      case 'session.claimed': {
        const others = connections.filter(each => each !== holder && each !== claimant?.connectionActorId);
        // A token of wire v2 must not be granted here, because v1 is refused after that.
        const ofV1 = snapshot.matches({ open: 'probed' }) ? ['v1', 'token'] : ['v1'];
        const proofs = version === 1 ? ofV1 : used || holder !== null ? ['token', 'key'] : ['token'];
        return others.flatMap(connectionActorId => proofs.map(by => ({ type, connectionActorId, by })));
      }
      case 'session.opened':
        return connections.map(connectionActorId => ({ type, connectionActorId }));
      case 'probe.answered':
        return holder === null ? [] : [{ type, connectionActorId: holder }];
      case 'connection.closed':
        return connections.map(connectionActorId => ({ type, connectionActorId, code: 'LINK_LOST', message: 'closed' }));
      case 'askToEnd':
        return holder === null ? [] : [{ type, grace: 100 }];
      case 'close':
        // An external instance without a session ends at once.
        return isClosed || external ? [] : [{ type }];
      default:
        return [];
    }
  };

const bits = ({ connections, holder, claimant, used, epoch }: SessionContext) => [connections.length, holder, claimant, used, epoch];

/** What has happened to a connection on a path so far. */
interface Sent {
  claimed?: boolean;
  granted?: boolean;
  opened?: boolean;
}

/** The model does not know what a connection has sent before, and which ones the host has ended. */
const feasible =
  ({ version }: SessionKind) =>
  (steps: readonly Step[]): number => {
    const sent = new Map<string, Sent>();
    const ended = new Set<string>();
    let probed: string | null = null;
    let drained = false;
    let before: SessionContext | null = null;
    for (const [i, { event, state }] of steps.entries()) {
      const { type } = event;
      const after = state.context as SessionContext;
      const id = event.connectionActorId as string;
      const connection = sent.get(id) ?? {};
      const holder = before?.holder ?? null;
      const claimant = before?.claimant?.connectionActorId ?? null;
      if (type === 'accept') {
        // The ids of ended connections are free in the engine.
        if (ended.size > 0) return i;
        sent.set(id, {});
      }
      if (type === 'session.claimed') {
        if (connection.claimed) return i;
        connection.claimed = true;
        if (after.holder !== id && after.claimant?.connectionActorId !== id) ended.add(id);
      }
      if (type === 'session.opened') {
        if (!connection.granted || connection.opened) return i;
        connection.opened = true;
      }
      if (type === 'probe.answered') {
        if (probed !== id) return i;
        probed = null;
      }
      if (type === 'connection.closed') {
        // On wire v1 a granted session is open at once.
        if (id === holder && version === 1 && !connection.opened) return i;
        if (id === claimant) return probed === holder ? i + 1 : i;
        sent.delete(id);
        ended.delete(id);
      }
      if (type === 'close' && holder !== null && version === 1) sent.get(holder)!.opened = true;
      if (type === 'askToEnd') {
        // The instance drains a session that is open.
        if (drained || !sent.get(holder!)!.opened) return i;
        drained = true;
      }
      if (after.holder !== null && after.holder !== holder) sent.get(after.holder)!.granted = true;
      if (holder !== null && after.holder !== holder && sent.has(holder)) ended.add(holder);
      if (claimant !== null && after.claimant === null && after.holder !== claimant && sent.has(claimant)) ended.add(claimant);
      if (claimant === null && after.claimant !== null) probed = after.holder;
      before = after;
    }
    return steps.length;
  };

/** What the session tells its connections and its instance. */
const sends = {
  grantHolder: 'session.granted',
  replaceHolder: 'session.replaced',
  probeHolder: 'probe',
  askHolderToEnd: 'askToEnd',
  ...{ denyClaim: 'session.denied', refuseClaim: 'session.denied', denyClaimant: 'session.denied' },
  announceSession: 'session.opened',
  ...{ announceLoss: 'session.lost', announceReplacement: 'session.lost' },
  announceNoConnection: 'connections.none',
};

const claim = (connectionActorId: string, by: string): ModelEvent[] => [
  { type: 'accept', connectionActorId },
  { type: 'session.claimed', connectionActorId, by },
];
const opened = (connectionActorId: string): ModelEvent => ({ type: 'session.opened', connectionActorId });
const closed = (connectionActorId: string): ModelEvent => ({
  type: 'connection.closed',
  connectionActorId,
  code: 'LINK_LOST',
  message: 'closed',
});

/** While a holder of wire v1 is probed, another agent claims the session with the spent token. */
const spentToken: ModelEvent[] = [
  ...[...claim('connection-1', 'v1'), opened('connection-1')],
  ...[...claim('connection-2', 'v1'), ...claim('connection-3', 'token')],
];
/** The same with a token that is not spent: the third agent is told at once that the session is claimed. */
const thirdClaim: ModelEvent[] = [...spentToken.slice(0, -2), ...claim('connection-3', 'v1'), closed('connection-3')];
/** The first socket closes before any claim. */
const silent: ModelEvent[] = [
  { type: 'accept', connectionActorId: 'connection-1' },
  ...[closed('connection-1'), ...claim('connection-1', 'v1'), opened('connection-1')],
];
/** A connection is replaced before its session.opened is told. */
const replaced: ModelEvent[] = [
  ...[...claim('connection-1', 'token'), ...claim('connection-2', 'token')],
  ...[opened('connection-1'), opened('connection-2')],
];
/** The only connection closes before its agent has used the session. */
const unused: ModelEvent[] = [...claim('connection-1', 'token'), closed('connection-1'), ...claim('connection-1', 'token')];
/** An agent resumes its epoch over a new connection; before it uses that, another agent claims the session with the spent token. */
const spentLater: ModelEvent[] = [
  ...[...claim('connection-1', 'token'), opened('connection-1')],
  ...[...claim('connection-2', 'key'), closed('connection-1'), ...claim('connection-1', 'token'), closed('connection-2')],
];
/** A restarted program begins an epoch, and resumes it before it has used it: for the instance the epoch is still new. */
const unusedEpoch: ModelEvent[] = [
  ...[...claim('connection-1', 'token'), opened('connection-1'), closed('connection-1')],
  ...[...claim('connection-1', 'token'), closed('connection-1')],
  ...[...claim('connection-1', 'key'), opened('connection-1')],
];

/** Paths that the search does not find. */
const longer = ({ version, external }: SessionKind): ModelEvent[][] => {
  if (external) return version === 1 ? [] : [unusedEpoch];
  return version === 1 ? [spentToken, thirdClaim, silent] : [replaced, unused, spentLater];
};

/** Every path of one kind; with `seen`, only those that have a step that is not in it yet. */
export const sessionPaths = (kind: SessionKind, seen?: Set<string>): Step[][] =>
  pathsOf({
    machine: sessionMachine,
    input: sessionInput(kind),
    cases: cases(kind),
    bits: bits as never,
    feasible: feasible(kind),
    ...(seen && { seen }),
    also: longer(kind),
  });

/** Plays one path in the engine. `finding` says what was wrong. */
export async function playSession(kind: SessionKind, steps: readonly Step[], charts?: Charts): Promise<Played> {
  const input = sessionInput(kind);
  const stage = openStage({
    charts,
    options: {
      ports: 0,
      connectTimeout: FOREVER,
      reconnectWindow: FOREVER,
      authTimeout: AUTH_TIMEOUT,
      heartbeat: { interval: FOREVER },
    },
    isSubject: actor => actor.logic.id === 'session',
    holds: event => !event.type.startsWith('xstate.'),
  });
  const { spearlet, gate, random, clock } = stage;
  const ends = new Map<string, SpokenEnd>();
  const authentications = new Map<string, Authentication>();
  /** The agent to which the session was granted last. */
  let last: { readonly end: SpokenEnd; readonly authentication: Authentication } | null = null;
  /** Connections whose claim was denied: the host ends them. */
  const denied = new Set<string>();
  /** How many claims with a spent token there were. */
  let spent = 0;
  /** The holder of which the instance was told. */
  let told: string | null = null;
  let instance: Instance;

  const context = (): SessionContext => (gate.subject.getSnapshot() as AnyMachineSnapshot).context as SessionContext;
  const arrived = (type: string, connectionActorId?: unknown): Promise<ModelEvent> =>
    receive(stage, event => event.type === type && (connectionActorId === undefined || event.connectionActorId === connectionActorId));
  const heldOf = (connectionActorId: unknown) => gate.held.filter(({ event }) => event.connectionActorId === connectionActorId);
  /** Releases what a connection has sent before its event of this type, and that event. */
  const upTo = async (type: string, connectionActorId: unknown): Promise<readonly ModelEvent[]> => {
    await gate.wait(event => event.type === type && event.connectionActorId === connectionActorId);
    const happened: ModelEvent[] = [];
    for (const held of heldOf(connectionActorId)) {
      gate.release(held);
      happened.push(held.event);
      if (held.event.type === type) break;
    }
    return happened;
  };

  /** The agent uses a session that was granted, if the path wants it. On wire v1 the host does not wait for that. */
  const useSession = async (connectionActorId: string, ahead: readonly ModelEvent[]): Promise<void> => {
    const end = ahead.findIndex(each => each.type === 'connection.closed' && each.connectionActorId === connectionActorId);
    const isUsed = ahead.slice(0, end >>> 0).some(each => each.type === 'session.opened' && each.connectionActorId === connectionActorId);
    if (kind.version === 1 || !isUsed) return;
    await ends.get(connectionActorId)!.admitted;
    ends.get(connectionActorId)!.confirm();
    await gate.wait(each => each.type === 'session.opened' && each.connectionActorId === connectionActorId);
  };

  const cause = async (event: ModelEvent): Promise<readonly ModelEvent[]> => {
    const { type } = event;
    const connectionActorId = event.connectionActorId as string;
    const end = ends.get(connectionActorId)!;
    switch (type) {
      case 'accept': {
        const port = Number(instance.address!.split(':').at(-1));
        ends.set(connectionActorId, await connectAgentEnd(port, clock));
        authentications.delete(connectionActorId);
        return [await arrived(type, connectionActorId)];
      }
      case 'session.claimed': {
        const at = gate.subject.getSnapshot() as AnyMachineSnapshot;
        if (context().used && !at.matches('closed') && event.by === 'token' && !kind.external) spent += 1;
        const fresh = (): Authentication =>
          authenticationOf({ instanceId: INSTANCE, token: random.tokens[0]!, protocols: [event.by === 'v1' ? 1 : 2] });
        if (event.by === 'key') await last!.end.admitted;
        const authentication = event.by === 'key' ? last!.authentication : fresh();
        authentications.set(connectionActorId, authentication);
        end.claim(authentication);
        const claimed = await arrived(type, connectionActorId);
        const { holder, claimant } = context();
        if (holder !== connectionActorId && claimant?.connectionActorId !== connectionActorId) denied.add(connectionActorId);
        return [claimed];
      }
      case 'probe.answered':
        await end.admitted;
        await end.answerHeartbeat();
        return upTo(type, connectionActorId);
      case 'connection.closed':
        if (context().claimant?.connectionActorId === connectionActorId) {
          // While the host reads nothing from it, only a timeout ends it.
          await ends.get(context().holder!)!.answerHeartbeat();
          await gate.wait(each => each.type === 'probe.answered');
          while (heldOf(connectionActorId).length === 0 && clock.step() !== null);
        } else if (context().holder === connectionActorId) {
          await end.admitted;
          end.close();
        }
        // The host itself ends a connection whose claim it has denied, or that it has replaced.
        else if (!authentications.has(connectionActorId)) end.close();
        return upTo(type, connectionActorId);
      case 'close': {
        const { holder } = context();
        const isUnknown = heldOf(holder).some(held => held.event.type === 'session.opened');
        // The instance drains a session that it knows.
        const opened = isUnknown ? await upTo('session.opened', holder) : [];
        void instance.stop({ grace: 100 });
        return [...opened, await arrived(type)];
      }
      default:
        return [await arrived(type, event.connectionActorId)];
    }
  };
  const perform = async (event: ModelEvent, ahead: readonly ModelEvent[]): Promise<readonly ModelEvent[]> => {
    const before = context().holder;
    const happened = await cause(event);
    const { holder } = context();
    if (holder !== null && holder !== before) await useSession(holder, ahead);
    if (holder !== told) told = null;
    if (happened.some(each => each.type === 'session.opened' && each.connectionActorId === holder)) told = holder;
    if (holder !== null && holder !== before) last = { end: ends.get(holder)!, authentication: authentications.get(holder)! };
    return happened;
  };

  const check = (): void => {
    const live = spearlet.stats().instances.flatMap(each => each.connections.filter(connection => connection.session));
    if (live.length > 1) throw new Error(`${live.length} live sessions`);
    // The instance follows the reports of its session.
    const { connections, used } = context();
    if ((gate.subject.getSnapshot() as AnyMachineSnapshot).matches('closed')) return;
    const unopened = connections.length === 0 ? 'listening' : 'authenticating';
    const state = told !== null ? 'ready' : used ? 'reconnecting' : unopened;
    if (instance.state !== state) throw new Error(`the instance is ${instance.state} and not ${state}`);
  };

  let finding: string | null = null;
  try {
    if (kind.external) {
      const expected = spearlet.expect({ artifactId: 'subject' });
      expected.ready.catch(() => {});
      instance = spearlet.get(expected.id)!;
    } else {
      spearlet.start({ artifactId: 'subject', command: obedient }).catch(() => {});
      await null;
      instance = spearlet.instances[0]!;
      // Before it has printed `up`, the program does not handle SIGTERM.
      await seen(instance.output$, chunk => chunk.text.includes('up'));
    }
    finding = await play({ stage, machine: sessionMachine, input, steps, perform, check, sends });
    if (finding === null) await stage.stop();
    const refused = stage.events.filter(each => each.type === 'connection.closed' && each.code === 'AUTH_REFUSED').length;
    if (finding === null && refused !== spent) finding = `${refused} claims were refused and not ${spent}`;
  } catch (thrown) {
    finding = `${steps.map(step => step.event.type).join(' > ')}: ${(thrown as Error).message}`;
  } finally {
    for (const end of ends.values()) end.close();
    if (finding !== null) stage.abandon();
  }
  return { finding, taken: gate.taken, visited: gate.visited };
}

// Runs commands against several instances of one spearlet, with real sockets and programs, whose agents the test plays. The reference
// model judges the effects; this file only carries out commands and passes observations on.
import type { AnyActorRef, AnyMachineSnapshot } from 'xstate';
import type { Execution } from '../../src/execution/execution.ts';
import type { Expected, Instance, SpearletError } from '../../src/index.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { createSpearletIn } from '../../src/spearlet.ts';
import { remember } from '../census/census.ts';
import { agentFile } from '../situations/world.ts';
import type { Command, Scenario } from './commands.ts';
import { bounds, createReference, type Policy, type Session, type Subject, type Task } from './reference.ts';
import { type AgentEnd, createTaps } from './taps.ts';

const obedient = agentFile('obedient.sh');
/** The most instances that are not stopped at the same time. */
const MAX_INSTANCES = 4;
/** More output than a slow reader may leave unread. */
const FLOOD = 'x'.repeat(1_100_000);

const shorten = (output: string): string => (output.length > 200 ? `${output.length} characters` : output);

/** An instance of the scenario. */
interface InstanceEntry {
  readonly subject: Subject;
  readonly instance: Instance;
  readonly environments: Readonly<Record<string, string>>[];
  readonly abort: AbortController | null;
  /** Events that the test holds; null: none is held. */
  held: Record<'network' | 'process', (() => void)[]> | null;
  /** It has reported `stopped`. */
  over: boolean;
}

/** A connection of an agent. */
interface Connection {
  readonly agentEnd: AgentEnd;
  readonly entry: InstanceEntry;
  claimed: 'nothing' | 'right' | 'wrong';
  /** It has sent something for which the host may close it. */
  misbehaved: boolean;
  authenticated: boolean;
  refused: boolean;
  lost: boolean;
}

/** An execution of the scenario. */
interface Call {
  readonly task: Task;
  readonly execution: Execution;
  readonly abort: AbortController;
  readonly reader: AsyncIterator<unknown> | null;
}

export interface ScenarioResult {
  /** The commands that were carried out, as text. */
  readonly done: readonly string[];
  /** What is not allowed; null where there is nothing. */
  readonly fault: string | null;
  /** The codes of the executions, and the reasons of the incarnations. */
  readonly ends: readonly string[];
}

/** Runs a scenario, and stops the spearlet. */
export async function runScenario({ listener, instances, commands }: Scenario): Promise<ScenarioResult> {
  const done: string[] = listener === 'shared' ? ['a shared listener'] : [];
  const entries: InstanceEntry[] = [];
  const connections: Connection[] = [];
  const calls: Call[] = [];
  const isOpen = ({ agentEnd }: Connection): boolean => !agentEnd.closed && !agentEnd.cut;
  const sessionsOf = (owner: Subject): Connection[] =>
    connections.filter(each => each.entry.subject === owner && each.authenticated && isOpen(each));

  const taps = createTaps({
    written(message) {
      if (message.type !== 'ExecuteRequest') return;
      const { taskId, args } = v1.decodeExecuteRequest(Buffer.from(message.payload));
      const { subject, instance } = entries.find(each => each.subject.id === args[0])!;
      reference.requestWritten(subject, taskId, message.requestId, instance.incarnation);
    },
    received(agentEnd, { type, payload }) {
      const connection = connections.find(each => each.agentEnd === agentEnd)!;
      const { entry, claimed } = connection;
      if (type === 'AuthResponse') {
        const { success } = v1.decodeAuthResponse(payload);
        if (!success) connection.refused = true;
        else if (claimed === 'right') connection.authenticated = true;
        else reference.faults.push(`${agentEnd.name} was authenticated without the right token`);
      } else if (type === 'ExecuteRequest') {
        const { taskId, args } = v1.decodeExecuteRequest(payload);
        if (args[0] !== entry.subject.id) reference.faults.push(`${agentEnd.name} of ${entry.subject.id} received ${taskId} of ${args[0]}`);
        reference.requestReceived(entry.subject, taskId, agentEnd.name);
      }
    },
    settled() {
      for (const connection of connections) {
        if (!connection.authenticated || connection.lost || isOpen(connection)) continue;
        connection.lost = true;
        reference.sessionLost(connection.entry.subject);
      }
    },
  });
  const { clock } = taps;
  const reference = createReference(() => clock.now());

  /** Holds the events of an instance while the scenario wants that. */
  const tap = (system: { _relay: (source: unknown, target: AnyActorRef, event: { type: string }) => void }): void => {
    const relay = system._relay.bind(system);
    system._relay = (source, target, event) => {
      const snapshot = target.getSnapshot() as AnyMachineSnapshot | undefined;
      // XState drops the event, too, but with a warning in development builds.
      if (snapshot?.status !== undefined && snapshot.status !== 'active') return;
      const chart = (target as { logic?: { id?: string } }).logic?.id;
      const id = chart === 'instance' || chart === 'session' ? snapshot?.context.instanceId : undefined;
      const held = entries.find(each => each.subject.id === id)?.held;
      // One queue for the whole network: a socket is accepted before its first event, and closed after its last. The session
      // reports to its instance in the turn in which it gets an event, so its reports are not held.
      const isNetwork = event.type === 'socket.accepted' || (chart === 'session' && /^(session|connection)\./.test(event.type));
      const from = /^process\./.test(event.type) ? 'process' : isNetwork ? 'network' : null;
      // The engine opens a socket in the turn in which it is accepted, so these two events are not reordered.
      const opens = event.type === 'socket.accepted';
      if (opens && held != null && held.network.length > 0) open(entries.find(each => each.held === held)!);
      if (held == null || from === null || opens || source === target) return relay(source, target, event);
      held[from].push(() => {
        // An event of the effects of an earlier incarnation is dropped: disposed effects send none.
        const now = target.getSnapshot() as AnyMachineSnapshot;
        if (now.status === 'active' && now.context.incarnation === snapshot!.context.incarnation) relay(source, target, event);
      });
    };
  };

  const logger: Record<string, unknown> = { child: () => logger, trace() {}, debug() {}, info() {}, warn() {} };
  logger.error = (facts: { code?: string }, message: string) => {
    // The only expected line at this level; all others report defects of spearlet.
    if (facts.code !== 'RESTART_LIMIT') reference.faults.push(`logged as an error: ${message} ${JSON.stringify(facts)}`);
  };
  const { maxInFlight, maxConcurrentStarts, connectTimeout, authTimeout, reconnectWindow, heartbeat, restart } = bounds;
  let tapped = false;
  const spearlet = createSpearletIn(taps.world, {
    logger: logger as never,
    ports: 0,
    listener,
    ...{ maxInFlight, maxConcurrentStarts, connectTimeout, authTimeout, reconnectWindow, heartbeat, restart },
    grace: bounds.grace,
    inspect: ({ type, actorRef }: { type: string; actorRef: AnyActorRef }) => {
      if (tapped || type !== '@xstate.actor') return;
      tapped = true;
      tap(actorRef.system as never);
    },
  });
  let stoppedAll = false;
  const sessions = new Set<string>();
  const entryOf = (id: string): InstanceEntry | undefined => entries.find(each => each.subject.id === id);
  spearlet.events$.subscribe(event => {
    const entry = entryOf(event.instanceId ?? '');
    if (entry === undefined) return;
    const { subject } = entry;
    if (entry.over && event.type !== 'connection.closed') reference.faults.push(`${subject.id}: ${event.type} after its end`);
    if (event.type === 'instance.state') entry.over = event.state === 'stopped';
    else if (event.type === 'instance.spawned') {
      entry.environments.push(taps.runs.at(-1)!.environment);
      if (subject.stopped) reference.faults.push(`${subject.id}: a program is started after a stop`);
    } else if (event.type === 'instance.exited') reference.incarnationEnded(subject, event.report.reason, event.report.incarnation);
    else if (event.type === 'connection.opened') {
      subject.sessions += 1;
      subject.opened += 1;
      sessions.add(event.connectionId);
    } else if (event.type === 'connection.closed') {
      // The agent may have closed the socket before it received the AuthResponse.
      if (sessions.has(event.connectionId)) reference.sessionLost(subject);
      const mine = connections.filter(each => each.entry === entry);
      const blameless = {
        HEARTBEAT_LOST: mine.every(({ agentEnd }) => !agentEnd.wasFrozen),
        PROTOCOL_ERROR: mine.every(({ misbehaved }) => !misbehaved),
        FRAME_TOO_LARGE: mine.every(({ misbehaved }) => !misbehaved),
        AUTH_REFUSED: mine.every(({ claimed }) => claimed !== 'wrong'),
      }[event.code];
      if (blameless) reference.faults.push(`${event.connectionId} was closed with ${event.code}, which nothing explains`);
      if (/INTERNAL/.test(event.code)) reference.faults.push(`${event.connectionId} ended with ${event.code}: ${event.message}`);
    }
  });

  const register = (
    id: string,
    subject: Subject,
    environments: InstanceEntry['environments'],
    abort: AbortController | null,
  ): InstanceEntry => {
    const instance = spearlet.get(id)!;
    const entry: InstanceEntry = { subject, instance, environments, abort, held: null, over: false };
    entries.push(entry);
    remember(id);
    instance.exited.then(() => void (subject.exited += 1));
    instance.state$.subscribe({ next: state => reference.stateChanged(subject, state) });
    return entry;
  };
  let made = 0;
  const begin = async (kind: Policy | 'external'): Promise<InstanceEntry | null> => {
    made += 1;
    const artifactId = `${kind}-${made}`;
    const policy = kind === 'external' ? 'temporary' : kind;
    if (kind === 'external') {
      let expected: Expected;
      try {
        expected = spearlet.expect({ artifactId });
      } catch (thrown) {
        if (!stoppedAll || (thrown as SpearletError).code !== 'STOPPED') throw thrown;
        return null;
      }
      const subject = reference.begin(expected.id, true, policy);
      expected.ready.then(
        () => reference.startSettled(subject, 'ready'),
        (error: SpearletError) => reference.startSettled(subject, error.code),
      );
      return register(expected.id, subject, [expected.environment], null);
    }
    const abort = new AbortController();
    const ready = spearlet.start({ artifactId, command: obedient, restart: policy }, { signal: abort.signal });
    if (stoppedAll) {
      const code = await ready.then(
        () => 'ready',
        (error: SpearletError) => error.code,
      );
      if (code !== 'STOPPED') reference.faults.push(`after the spearlet was stopped, start() settled with ${code}`);
      return null;
    }
    const settled = { code: '' };
    let subject: Subject | null = null;
    const note = (code: string): void => {
      settled.code = code;
      if (subject !== null) reference.startSettled(subject, code);
    };
    ready.then(
      () => note('ready'),
      (error: SpearletError) => note(error.code),
    );
    await null;
    const id = spearlet.instances.find(each => each.artifactId === artifactId)!.id;
    subject = reference.begin(id, false, policy);
    return register(id, subject, [], abort);
  };

  const living = (): InstanceEntry[] => entries.filter(({ subject }) => subject.state !== 'stopped');
  const pick = <T>(among: readonly T[], index: number): T | undefined => among[index % among.length];
  /** Index 7 may also pick the last stopped instance. */
  const entryAt = (at: number): InstanceEntry | undefined =>
    pick([...living(), ...(at === 7 ? entries.filter(({ subject }) => subject.state === 'stopped').slice(-1) : [])], at);
  const connectionAt = (index: number): Connection | undefined => pick(connections.filter(isOpen), index);
  /** Executions that have not ended come first. */
  const callAt = (index: number, fits: (call: Call) => boolean): Call | undefined =>
    pick(
      [
        ...calls.filter(each => fits(each) && each.task.outcomes.length === 0),
        ...calls.filter(each => fits(each) && each.task.outcomes.length > 0).slice(-2),
      ],
      index,
    );

  const dial = async (entry: InstanceEntry): Promise<Connection | null> => {
    const { address } = entry.instance;
    if (address === null || (entry.held?.network.length ?? 0) > 0) return null;
    const agentEnd = await taps.dial(address);
    if (agentEnd === null) return null;
    const connection: Connection = {
      agentEnd,
      entry,
      claimed: 'nothing',
      misbehaved: false,
      authenticated: false,
      refused: false,
      lost: false,
    };
    connections.push(connection);
    return connection;
  };
  /** Whether a connection has sent the right token and has no answer yet. */
  const isAuthenticating = (entry: InstanceEntry): boolean =>
    connections.some(each => each.entry === entry && isOpen(each) && each.claimed === 'right' && !each.authenticated && !each.refused);
  const mustBeAdmitted: Connection[] = [];
  const mustBeRefused: { readonly connection: Connection; readonly holder: Connection }[] = [];
  const claim = (connection: Connection, what: 'right' | 'wrong token' | 'wrong id' | 'old token'): void => {
    const { entry, agentEnd } = connection;
    const current = entry.environments.at(-1);
    if (current === undefined) return;
    const token =
      { right: current.SPEARLET_TOKEN!, 'old token': entry.environments.at(-2)?.SPEARLET_TOKEN ?? 'none' }[what as 'right'] ??
      (what === 'wrong id' ? current.SPEARLET_TOKEN! : 'guessed');
    const instanceId = what === 'wrong id' ? 'somebody-else' : entry.subject.id;
    if (connection.claimed === 'nothing') {
      // No other connection has or claims the session: this one must get it.
      if (
        what === 'right' &&
        entry.held === null &&
        !connection.misbehaved &&
        sessionsOf(entry.subject).length === 0 &&
        !isAuthenticating(entry) &&
        /listening|authenticating|reconnecting/.test(entry.instance.state)
      )
        mustBeAdmitted.push(connection);
      // Another connection holds the session and answers the probe: this one must be refused.
      const holder = sessionsOf(entry.subject)[0];
      const alive = holder !== undefined && !holder.agentEnd.frozen && !holder.misbehaved && holder.agentEnd.hostEnd?.paused === false;
      if (
        what === 'right' &&
        entry.held === null &&
        !connection.misbehaved &&
        alive &&
        !isAuthenticating(entry) &&
        /ready|executing/.test(entry.instance.state)
      )
        mustBeRefused.push({ connection, holder });
      connection.claimed = what === 'right' ? 'right' : 'wrong';
    }
    agentEnd.send('AuthRequest', 1, v1.encodeAuthRequest({ instanceId, token, clientVersion: '1.0.0' }));
  };
  const cut = (connection: Connection, how: 'end' | 'reset' | 'destroy'): void => {
    const { agentEnd } = connection;
    agentEnd.cut = true;
    // The connection may end in the middle of a frame.
    if (how !== 'end') connection.misbehaved = true;
    // The system decides whether data of this turn still arrives.
    if (how !== 'end') for (const { task } of calls) if (task.due?.socket === agentEnd.name) task.due = null;
    if (how === 'end') agentEnd.socket.end();
    else if (how === 'reset') agentEnd.socket.resetAndDestroy();
    else agentEnd.socket.destroy();
  };
  const open = (entry: InstanceEntry): void => {
    const { held, subject } = entry;
    if (held === null) return;
    entry.held = null;
    subject.held = false;
    for (const deliver of [...held.network, ...held.process]) deliver();
    // Only now does the instance get the events on which its deadlines depend.
    if (subject.stopBy !== null) reference.stop(subject, bounds.grace, true);
    for (const { task } of calls) if (task.owner === subject && task.surelyOrphanedAt !== null) task.surelyOrphanedAt = clock.now();
  };
  const stopEntry = (entry: InstanceEntry, ms: number): void => {
    entry.subject.reasons.add('stopped');
    if (entry.subject.state !== 'stopped') reference.stop(entry.subject, ms);
  };

  const perform = (command: Command): Promise<unknown> | string | null => {
    switch (command.do) {
      case 'start':
        return living().length >= MAX_INSTANCES
          ? null
          : begin(command.kind).then(entry => `${command.kind} ${entry?.subject.id ?? '(refused)'}`);
      case 'abortStart': {
        const entry = entryAt(command.at);
        if (entry?.abort == null) return null;
        if (entry.subject.sessions === 0) stopEntry(entry, 0);
        entry.abort.abort();
        return entry.subject.id;
      }
      case 'join':
      case 'dial': {
        const entry = entryAt(command.at);
        if (entry === undefined) return null;
        return dial(entry).then(connection => {
          if (connection !== null && command.do === 'join') claim(connection, 'right');
          return connection === null ? null : `${entry.subject.id} by ${connection.agentEnd.name}`;
        });
      }
      case 'claim': {
        const connection = connectionAt(command.socket);
        if (connection === undefined) return null;
        claim(connection, command.what);
        return `${command.what} by ${connection.agentEnd.name}`;
      }
      case 'garbage': {
        const connection = connectionAt(command.socket);
        if (connection === undefined) return null;
        connection.misbehaved = true;
        const { agentEnd } = connection;
        if (command.what === 'no frame') agentEnd.socket.write('this is no frame at all, whatever you take it for');
        else if (command.what === 'no JSON') agentEnd.socket.write(Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]));
        else if (command.what === 'too large') agentEnd.socket.write(Buffer.from([0, 0, 0, 0, 1, 0, 0, 0]));
        else if (command.what === 'half a frame') agentEnd.socket.write(Buffer.from([9, 0, 0, 0]));
        else agentEnd.send('ExecuteRequest', 3, '{}');
        return `${command.what} by ${agentEnd.name}`;
      }
      case 'cut': {
        const connection = connectionAt(command.socket);
        if (connection === undefined) return null;
        cut(connection, command.how);
        return `${connection.agentEnd.name} by ${command.how}`;
      }
      case 'execute': {
        const entry = entryAt(command.at);
        if (entry === undefined) return null;
        const { limit, name, slow } = command;
        const abort = new AbortController();
        if (command.aborted) abort.abort();
        // Its executions may have ended in this turn, before their results have settled.
        const over = entry.instance.state === 'stopped';
        const execution = entry.instance.execute(
          { command: 'work', args: [entry.subject.id], ...(name === null ? {} : { taskId: `${name} of ${entry.subject.id}` }) },
          { signal: abort.signal, ...(limit === null ? {} : { timeout: limit }) },
        );
        const attached = calls.find(call => call.execution === execution);
        reference.attached(entry.subject, execution.taskId, attached?.task ?? null, over);
        if (attached !== undefined) return `${execution.taskId} on ${entry.subject.id}, in flight already`;
        const task = reference.execute(entry.subject, execution.taskId, limit, { aborted: command.aborted, slow, over });
        execution.updates$.subscribe(update =>
          reference.updated(task, 'output' in update ? { ...update, output: shorten(update.output!) } : update),
        );
        execution.result.then(
          ({ output }) => reference.settled(task, 'completed', output),
          (error: SpearletError) => reference.settled(task, error.code, error.output ?? null),
        );
        calls.push({ task, execution, abort, reader: slow ? execution[Symbol.asyncIterator]() : null });
        return `${execution.taskId} on ${entry.subject.id}${limit === null ? '' : `, timeout ${limit} ms`}${slow ? ', with a reader that does not read' : ''}${command.aborted ? ', aborted' : ''}`;
      }
      case 'cancel': {
        const call = callAt(command.task, () => true);
        if (call === undefined) return null;
        if (call.task.outcomes.length === 0) call.task.cancelled = true;
        if (command.how === 'abort') call.abort.abort();
        else call.execution.cancel();
        return `${call.task.taskId} of ${call.task.owner.id} by ${command.how}`;
      }
      case 'answer': {
        const call = callAt(command.task, ({ task }) => task.receivedOn.length > 0 && sessionsOf(task.owner).length > 0);
        if (call === undefined) return null;
        const { task } = call;
        const { twist, times, flood } = command;
        // Floods are more frequent for executions with a reader that does not read.
        const status = flood && task.slow ? 'Running' : command.status;
        const connection = twist === 'other socket' ? connectionAt(command.task) : sessionsOf(task.owner)[0];
        if (connection === undefined) return null;
        const others = calls.filter(each => each.task !== task && each.task.taskId !== task.taskId);
        const taskId = twist === 'other task' ? (others.at(-1)?.task.taskId ?? 'nobody') : task.taskId;
        const requestId = Number(task.requestId) + (twist !== 'other id' ? 0 : command.task % 2 === 0 ? -1 : 1_000);
        const { entry, agentEnd } = connection;
        if (!connection.authenticated) connection.misbehaved = true;
        for (let n = 1; n <= times; n += 1) {
          const output = flood && status === 'Running' ? FLOOD : `${status} ${done.length}.${n} by ${agentEnd.name}`;
          const named = calls
            .map(each => each.task)
            .filter(each => each.owner === entry.subject && each.taskId === taskId && each.refusal === null);
          // The request id of an execution that is not written yet is unknown, and this one could be the same.
          if (named.some(each => each.requestId === null && each.outcomes.length === 0)) return null;
          const meant = named.find(each => each.requestId === requestId);
          const mustArrive =
            connection.authenticated &&
            !connection.misbehaved &&
            entry.held === null &&
            agentEnd.hostEnd?.paused === false &&
            !calls.some(each => each.task.owner === entry.subject && each.task.slow);
          // A response counts only on a connection with the right token, which may be authenticated later.
          if (meant !== undefined && connection.claimed === 'right' && !connection.refused)
            reference.responseSent(meant, { socket: agentEnd.name, status, output: shorten(output) }, mustArrive);
          const failed = status === 'Failed';
          agentEnd.send(
            'ExecuteResponse',
            requestId,
            v1.encodeExecuteResponse({ taskId, status, output, error: failed ? 'failed' : null, exitCode: failed ? 1 : null }),
          );
        }
        return `${task.taskId} of ${task.owner.id} by ${agentEnd.name}: ${status}${times > 1 ? ` × ${times}` : ''}${twist === 'none' ? '' : `, ${twist}`}${flood && status === 'Running' ? ', a flood' : ''}`;
      }
      case 'read': {
        const call = callAt(command.task, each => each.reader !== null);
        if (call === undefined) return null;
        void (async () => {
          while (!(await call.reader!.next()).done);
        })().catch(() => {});
        return call.task.taskId;
      }
      case 'freeze':
      case 'thaw': {
        const connection = connectionAt(command.socket);
        if (connection === undefined || connection.agentEnd.frozen === (command.do === 'freeze')) return null;
        if (command.do === 'thaw') connection.agentEnd.thaw();
        else {
          connection.agentEnd.frozen = true;
          connection.agentEnd.wasFrozen = true;
          connection.entry.subject.reasons.add('frozen');
        }
        return connection.agentEnd.name;
      }
      case 'die': {
        const entry = entryAt(command.at);
        const run = taps.runs.findLast(({ environment }) => environment.SPEARLET_INSTANCE_ID === entry?.subject.id);
        if (entry === undefined || run === undefined || run.exited || run.mustEnd) return null;
        // Nothing else may be under way: otherwise the system, and not the seed, decides the order.
        return taps.settle().then(() => {
          if (run.exited || run.mustEnd) return null;
          run.mustEnd = true;
          entry.subject.reasons.add(command.how === 'SIGUSR1' ? 'completed' : 'crashed');
          process.kill(run.pid, command.how);
          return `${entry.subject.id} by ${command.how}`;
        });
      }
      case 'stop': {
        const entry = entryAt(command.at);
        if (entry === undefined) return null;
        stopEntry(entry, command.grace);
        void entry.instance.stop({ grace: command.grace });
        return `${entry.subject.id} within ${command.grace} ms`;
      }
      case 'stopAll': {
        for (const entry of living()) stopEntry(entry, command.grace);
        stoppedAll = true;
        void spearlet.stop({ grace: command.grace });
        return `within ${command.grace} ms`;
      }
      case 'pass':
        // Earlier commands take effect before time passes.
        return taps
          .settle()
          .then(() => taps.pass(command.ms))
          .then(() => `${command.ms} ms`);
      case 'hold': {
        const entry = entryAt(command.at);
        if (entry === undefined || entry.held !== null || entry.subject.state === 'stopped') return null;
        entry.held = { network: [], process: [] };
        entry.subject.held = true;
        return entry.subject.id;
      }
      case 'release':
      case 'open': {
        const entry = entryAt(command.at);
        if (entry?.held == null) return null;
        if (command.do === 'open') open(entry);
        else {
          const first = entry.held[command.from].shift();
          if (first === undefined) return null;
          first();
        }
        return entry.subject.id;
      }
    }
  };

  const check = (): void => {
    // Other commands of the same turn may have changed what must happen.
    const isAsBefore = ({ entry: { held, subject } }: Connection): boolean => held === null && !subject.stopped;
    for (const connection of mustBeAdmitted.splice(0)) {
      if (connection.authenticated || !isOpen(connection) || !isAsBefore(connection)) continue;
      const outcome = connection.refused ? 'refused' : 'not authenticated';
      reference.faults.push(`${connection.agentEnd.name} sent the right token to ${connection.entry.subject.id} and was ${outcome}`);
    }
    for (const { connection, holder } of mustBeRefused.splice(0)) {
      const answers = isOpen(holder) && !holder.misbehaved && !holder.agentEnd.frozen && holder.agentEnd.hostEnd?.paused === false;
      if (!isOpen(connection) || connection.refused || !answers || !isAsBefore(connection)) continue;
      reference.faults.push(`${connection.agentEnd.name} was not refused, although ${holder.agentEnd.name} is alive`);
    }
    const sessionViews = (owner: Subject): Session[] =>
      sessionsOf(owner).map(({ agentEnd, misbehaved }) => ({
        name: agentEnd.name,
        paused: misbehaved || agentEnd.hostEnd?.paused !== false,
        gotSignalFor: taskId =>
          agentEnd.received.some(({ type, payload }) => type === 'Signal' && payload.includes(JSON.stringify(taskId))),
      }));
    for (const entry of entries)
      entry.subject.closeUnnoticed = connections.some(
        each =>
          each.entry === entry && each.authenticated && each.agentEnd.cut && each.agentEnd.hostEnd?.paused && !each.agentEnd.hostEnd.closed,
      );
    reference.check(sessionViews);
    for (const { subject, instance } of entries) {
      if (instance.state !== subject.state)
        reference.faults.push(`${subject.id} is ${instance.state}, but state$ emitted ${subject.state}`);
      const stats = spearlet.stats().instances.find(each => each.instanceId === subject.id);
      const live = stats?.connections.filter(each => each.session).length ?? 0;
      if (live > 1) reference.faults.push(`stats() lists ${live} sessions of ${subject.id}`);
    }
    if (reference.faults.length > 0) throw new Error(reference.faults.join('\n'));
  };

  const end = async (): Promise<void> => {
    for (const entry of entries) open(entry);
    await taps.settle();
    check();
    for (const entry of living()) stopEntry(entry, 0);
    stoppedAll = true;
    let over = false;
    const stopping = spearlet.stop({ grace: 0 }).then(() => {
      over = true;
    });
    await taps.settle();
    for (let ms = 0; !over && ms <= 250; ms += 50) await taps.pass(50);
    if (!over) throw new Error(`stop() did not resolve: ${entries.map(({ subject }) => `${subject.id} ${subject.state}`).join()}`);
    await stopping;
    await taps.settle();
    reference.check(() => []);
    reference.close();
    if (spearlet.instances.length > 0) reference.faults.push('an instance is left');
    if (taps.listeners.size > 0) reference.faults.push(`${taps.listeners.size} listeners are left`);
    const left = connections.filter(({ agentEnd }) => !agentEnd.closed);
    if (left.length > 0) reference.faults.push(`sockets are left: ${left.map(({ agentEnd }) => agentEnd.name).join()}`);
    const alive = taps.runs.filter(({ pid, exited }) => !exited || isAlive(pid));
    if (alive.length > 0) reference.faults.push(`programs are left: ${alive.map(({ pid }) => pid).join()}`);
    if (reference.faults.length > 0) throw new Error(reference.faults.join('\n'));
  };

  let fault: string | null = null;
  try {
    for (const { kind, joined } of instances) {
      const entry = await begin(kind);
      await taps.settle();
      done.push(`a ${entry!.subject.id}${joined ? ' with an agent' : ''}`);
      if (!joined) continue;
      const connection = await dial(entry!);
      if (connection !== null) claim(connection, 'right');
      await taps.settle();
    }
    check();
    for (const command of commands) {
      const result = perform(command);
      const text = typeof result === 'string' || result === null ? result : await result;
      if (text === null) continue;
      const isHasty = 'hasty' in command && command.hasty;
      done.push(`${command.do} ${text}${isHasty ? ' …' : ''}`);
      if (isHasty) continue;
      await taps.settle();
      check();
    }
    done.push('the end');
    await end();
  } catch (thrown) {
    fault = [...new Set([...reference.faults, (thrown as Error).message])].join('\n');
    for (const entry of entries) entry.held = null;
    taps.abandon();
    void spearlet.stop({ grace: 0 });
    for (let n = 0; n < 40; n += 1) {
      clock.pass(200);
      await new Promise(later => setTimeout(later, 2));
    }
  }
  const ends = [
    ...reference.tasks.flatMap(({ outcomes }) => outcomes.map(({ code }) => code)),
    ...[...reference.subjects.values()].flatMap(({ exits }) => exits.map(({ reason }) => `program ${reason}`)),
  ];
  return { done, fault, ends };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

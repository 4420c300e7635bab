// Commands in random order against several instances of one spearlet, with real sockets and real programs whose agents
// the test plays by hand. What each must lead to is for the reference to say; this file only does and watches.
import type { AnyActorRef, AnyMachineSnapshot } from 'xstate';
import type { Execution } from '../../src/execution/execution.ts';
import type { Expected, Instance, SpearletError } from '../../src/index.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { createSpearletIn } from '../../src/spearlet.ts';
import { remember } from '../census/census.ts';
import { agentFile } from '../situations/world.ts';
import type { Command, Story } from './commands.ts';
import { bounds, createReference, type Policy, type Session, type Subject, type Task } from './reference.ts';
import { createTaps, type Far } from './taps.ts';

const obedient = agentFile('obedient.sh');
/** As many as there may be at once that are not stopped. */
const MOST = 4;
/** Beyond what a slow reader may leave unread. */
const FLOOD = 'x'.repeat(1_100_000);

const brief = (output: string): string => (output.length > 200 ? `${output.length} characters` : output);

/** What the runner holds of an instance, of a socket, and of an execution. */
interface Seat {
  readonly subject: Subject;
  readonly instance: Instance;
  readonly environments: Readonly<Record<string, string>>[];
  readonly abort: AbortController | null;
  /** Null: everything goes through at once. */
  held: Record<'network' | 'process', (() => void)[]> | null;
  /** Its last event has come. */
  over: boolean;
}
interface Socket {
  readonly far: Far;
  readonly seat: Seat;
  claimed: 'nothing' | 'right' | 'wrong';
  /** It said something that a connection may be ended for. */
  sinned: boolean;
  admitted: boolean;
  refused: boolean;
  lost: boolean;
}
interface Errand {
  readonly task: Task;
  readonly execution: Execution;
  readonly abort: AbortController;
  readonly reader: AsyncIterator<unknown> | null;
}

export interface Told {
  /** What was done, in words. */
  readonly done: readonly string[];
  /** What must not be; null where all is well. */
  readonly fault: string | null;
  /** How executions and incarnations ended. */
  readonly ends: readonly string[];
}

/** Plays a story to its end, and to the end of the spearlet. */
export async function tell({ listener, cast, commands }: Story): Promise<Told> {
  const done: string[] = listener === 'shared' ? ['one listener for all'] : [];
  const seats: Seat[] = [];
  const sockets: Socket[] = [];
  const errands: Errand[] = [];
  const isOpen = ({ far }: Socket): boolean => !far.closed && !far.cut;
  const sessionsOf = (owner: Subject): Socket[] => sockets.filter(each => each.seat.subject === owner && each.admitted && isOpen(each));

  const taps = createTaps({
    wrote(message) {
      if (message.type !== 'ExecuteRequest') return;
      const { taskId, args } = v1.decodeExecuteRequest(Buffer.from(message.payload));
      const { subject, instance } = seats.find(each => each.subject.id === args[0])!;
      reference.wrote(subject, taskId, message.requestId, instance.incarnation);
    },
    heard(far, { type, payload }) {
      const socket = sockets.find(each => each.far === far)!;
      const { seat, claimed } = socket;
      if (type === 'AuthResponse') {
        const { success } = v1.decodeAuthResponse(payload);
        if (!success) socket.refused = true;
        else if (claimed === 'right') socket.admitted = true;
        else reference.faults.push(`${far.name} was admitted without the right token`);
      } else if (type === 'ExecuteRequest') {
        const { taskId, args } = v1.decodeExecuteRequest(payload);
        if (args[0] !== seat.subject.id) reference.faults.push(`${far.name} of ${seat.subject.id} was asked ${taskId} of ${args[0]}`);
        reference.asked(seat.subject, taskId, far.name);
      }
    },
    rested() {
      for (const socket of sockets) {
        if (!socket.admitted || socket.lost || isOpen(socket)) continue;
        socket.lost = true;
        reference.lost(socket.seat.subject);
      }
    },
  });
  const { clock } = taps;
  const reference = createReference(() => clock.now());

  /** Holds back what reaches an instance, where the story wants that. */
  const tap = (system: { _relay: (source: unknown, target: AnyActorRef, event: { type: string }) => void }): void => {
    const relay = system._relay.bind(system);
    system._relay = (source, target, event) => {
      const snapshot = target.getSnapshot() as AnyMachineSnapshot | undefined;
      // XState drops it as well, with a warning in development builds.
      if (snapshot?.status !== undefined && snapshot.status !== 'active') return;
      const id = (target as { logic?: { id?: string } }).logic?.id === 'instance' ? snapshot?.context.instanceId : undefined;
      const held = seats.find(each => each.subject.id === id)?.held;
      // One queue for all of the network: in the world, too, a socket is accepted before it says anything and ends last.
      const from = /^process\./.test(event.type) ? 'process' : /^(socket|session|connection)\./.test(event.type) ? 'network' : null;
      // The engine opens a socket in the turn in which it is accepted: that order is no accident of the world.
      const opens = event.type === 'socket.accepted';
      if (opens && held != null && held.network.length > 0) open(seats.find(each => each.held === held)!);
      if (held == null || from === null || opens || source === target) return relay(source, target, event);
      held[from].push(() => {
        // Whoever sent it may be disposed by now, and would not have sent it to the next incarnation.
        const now = target.getSnapshot() as AnyMachineSnapshot;
        if (now.status === 'active' && now.context.incarnation === snapshot!.context.incarnation) relay(source, target, event);
      });
    };
  };

  const logger: Record<string, unknown> = { child: () => logger, trace() {}, debug() {}, info() {}, warn() {} };
  logger.error = (facts: { code?: string }, message: string) => {
    // The one error of a program that is worth a line at this level; all others are defects of spearlet.
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
  const seatOf = (id: string): Seat | undefined => seats.find(each => each.subject.id === id);
  spearlet.events$.subscribe(event => {
    const seat = seatOf(event.instanceId ?? '');
    if (seat === undefined) return;
    const { subject } = seat;
    if (seat.over && event.type !== 'connection.closed') reference.faults.push(`${subject.id}: ${event.type} after its end`);
    if (event.type === 'instance.state') seat.over = event.state === 'stopped';
    else if (event.type === 'instance.spawned') {
      seat.environments.push(taps.runs.at(-1)!.environment);
      if (subject.stopped) reference.faults.push(`${subject.id}: a program is started after a stop`);
    } else if (event.type === 'instance.exited') reference.ended(subject, event.report.reason, event.report.incarnation);
    else if (event.type === 'connection.opened') {
      subject.sessions += 1;
      subject.opened += 1;
      sessions.add(event.connectionId);
    } else if (event.type === 'connection.closed') {
      // Its agent may be gone before it has heard that it was let in.
      if (sessions.has(event.connectionId)) reference.lost(subject);
      const mine = sockets.filter(each => each.seat === seat);
      const blameless = {
        HEARTBEAT_LOST: mine.every(({ far }) => !far.wasFrozen),
        PROTOCOL_ERROR: mine.every(({ sinned }) => !sinned),
        FRAME_TOO_LARGE: mine.every(({ sinned }) => !sinned),
        AUTH_REFUSED: mine.every(({ claimed }) => claimed !== 'wrong'),
      }[event.code];
      if (blameless) reference.faults.push(`${event.connectionId} was ended with ${event.code}, for which nobody gave a reason`);
      if (/INTERNAL/.test(event.code)) reference.faults.push(`${event.connectionId} ended with ${event.code}: ${event.message}`);
    }
  });

  const take = (id: string, subject: Subject, environments: Seat['environments'], abort: AbortController | null): Seat => {
    const instance = spearlet.get(id)!;
    const seat: Seat = { subject, instance, environments, abort, held: null, over: false };
    seats.push(seat);
    remember(id);
    instance.exited.then(() => void (subject.exited += 1));
    instance.state$.subscribe({ next: state => reference.moved(subject, state) });
    return seat;
  };
  let made = 0;
  const begin = async (wanted: Policy | 'external'): Promise<Seat | null> => {
    made += 1;
    const artifactId = `${wanted}-${made}`;
    const policy = wanted === 'external' ? 'temporary' : wanted;
    if (wanted === 'external') {
      let expected: Expected;
      try {
        expected = spearlet.expect({ artifactId });
      } catch (thrown) {
        if (!stoppedAll || (thrown as SpearletError).code !== 'STOPPED') throw thrown;
        return null;
      }
      const subject = reference.begin(expected.id, true, policy);
      expected.ready.then(
        () => reference.started(subject, 'ready'),
        (error: SpearletError) => reference.started(subject, error.code),
      );
      return take(expected.id, subject, [expected.environment], null);
    }
    const abort = new AbortController();
    const ready = spearlet.start({ artifactId, command: obedient, restart: policy }, { signal: abort.signal });
    if (stoppedAll) {
      const code = await ready.then(
        () => 'ready',
        (error: SpearletError) => error.code,
      );
      if (code !== 'STOPPED') reference.faults.push(`after the spearlet was stopped, start() told ${code}`);
      return null;
    }
    const settled = { code: '' };
    let subject: Subject | null = null;
    const note = (code: string): void => {
      settled.code = code;
      if (subject !== null) reference.started(subject, code);
    };
    ready.then(
      () => note('ready'),
      (error: SpearletError) => note(error.code),
    );
    await null;
    const id = spearlet.instances.find(each => each.artifactId === artifactId)!.id;
    subject = reference.begin(id, false, policy);
    return take(id, subject, [], abort);
  };

  const living = (): Seat[] => seats.filter(({ subject }) => subject.state !== 'stopped');
  const pick = <T>(among: readonly T[], index: number): T | undefined => among[index % among.length];
  /** The youngest of those that are stopped can be chosen, too. */
  const seatAt = (at: number): Seat | undefined =>
    pick([...living(), ...(at === 7 ? seats.filter(({ subject }) => subject.state === 'stopped').slice(-1) : [])], at);
  const socketAt = (index: number): Socket | undefined => pick(sockets.filter(isOpen), index);
  /** Those that have not ended come first. */
  const errandAt = (index: number, fits: (errand: Errand) => boolean): Errand | undefined =>
    pick(
      [
        ...errands.filter(each => fits(each) && each.task.outcomes.length === 0),
        ...errands.filter(each => fits(each) && each.task.outcomes.length > 0).slice(-2),
      ],
      index,
    );

  const dial = async (seat: Seat): Promise<Socket | null> => {
    const { address } = seat.instance;
    if (address === null || (seat.held?.network.length ?? 0) > 0) return null;
    // It may be accepted, and even be spoken to, before it is known here.
    const far = await taps.dial(address);
    if (far === null) return null;
    const socket: Socket = { far, seat, claimed: 'nothing', sinned: false, admitted: false, refused: false, lost: false };
    sockets.push(socket);
    return socket;
  };
  /** Those that have shown the right token and wait for what comes of it. */
  const waiting = (seat: Seat): boolean =>
    sockets.some(each => each.seat === seat && isOpen(each) && each.claimed === 'right' && !each.admitted && !each.refused);
  const promised: Socket[] = [];
  const rivals: { readonly socket: Socket; readonly holder: Socket }[] = [];
  const claim = (socket: Socket, what: 'right' | 'wrong token' | 'wrong id' | 'old token'): void => {
    const { seat, far } = socket;
    const current = seat.environments.at(-1);
    if (current === undefined) return;
    const token =
      { right: current.SPEARLET_TOKEN!, 'old token': seat.environments.at(-2)?.SPEARLET_TOKEN ?? 'none' }[what as 'right'] ??
      (what === 'wrong id' ? current.SPEARLET_TOKEN! : 'guessed');
    const instanceId = what === 'wrong id' ? 'somebody-else' : seat.subject.id;
    if (socket.claimed === 'nothing') {
      // Nobody stands in its way: it has to be let in.
      if (
        what === 'right' &&
        seat.held === null &&
        !socket.sinned &&
        sessionsOf(seat.subject).length === 0 &&
        !waiting(seat) &&
        /listening|authenticating|reconnecting/.test(seat.instance.state)
      )
        promised.push(socket);
      // Somebody stands in its way, and says at once that it is still there.
      const holder = sessionsOf(seat.subject)[0];
      const alive = holder !== undefined && !holder.far.frozen && !holder.sinned && holder.far.near?.paused === false;
      if (
        what === 'right' &&
        seat.held === null &&
        !socket.sinned &&
        alive &&
        !waiting(seat) &&
        /ready|executing/.test(seat.instance.state)
      )
        rivals.push({ socket, holder });
      socket.claimed = what === 'right' ? 'right' : 'wrong';
    }
    far.send('AuthRequest', 1, v1.encodeAuthRequest({ instanceId, token, clientVersion: '1.0.0' }));
  };
  const cut = (socket: Socket, how: 'end' | 'reset' | 'destroy'): void => {
    const { far } = socket;
    far.cut = true;
    // It may end in the middle of a frame.
    if (how !== 'end') socket.sinned = true;
    // What was said in this very turn is lost with it, or not: the system decides.
    if (how !== 'end') for (const { task } of errands) if (task.due?.socket === far.name) task.due = null;
    if (how === 'end') far.socket.end();
    else if (how === 'reset') far.socket.resetAndDestroy();
    else far.socket.destroy();
  };
  const open = (seat: Seat): void => {
    const { held, subject } = seat;
    if (held === null) return;
    seat.held = null;
    subject.held = false;
    for (const deliver of [...held.network, ...held.process]) deliver();
    // It learns only now what it should have known.
    if (subject.stopBy !== null) reference.stop(subject, bounds.grace, true);
    for (const { task } of errands) if (task.owner === subject && task.doubtedAt !== null) task.doubtedAt = clock.now();
  };
  const stopSeat = (seat: Seat, ms: number): void => {
    seat.subject.reasons.add('stopped');
    if (seat.subject.state !== 'stopped') reference.stop(seat.subject, ms);
  };

  const perform = (command: Command): Promise<unknown> | string | null => {
    switch (command.do) {
      case 'start':
        return living().length >= MOST ? null : begin(command.kind).then(seat => `${command.kind} ${seat?.subject.id ?? '(refused)'}`);
      case 'abortStart': {
        const seat = seatAt(command.at);
        if (seat?.abort == null) return null;
        if (seat.subject.sessions === 0) stopSeat(seat, 0);
        seat.abort.abort();
        return seat.subject.id;
      }
      case 'join':
      case 'dial': {
        const seat = seatAt(command.at);
        if (seat === undefined) return null;
        return dial(seat).then(socket => {
          if (socket !== null && command.do === 'join') claim(socket, 'right');
          return socket === null ? null : `${seat.subject.id} by ${socket.far.name}`;
        });
      }
      case 'claim': {
        const socket = socketAt(command.socket);
        if (socket === undefined) return null;
        claim(socket, command.what);
        return `${command.what} by ${socket.far.name}`;
      }
      case 'garbage': {
        const socket = socketAt(command.socket);
        if (socket === undefined) return null;
        socket.sinned = true;
        const { far } = socket;
        if (command.what === 'no frame') far.socket.write('this is no frame at all, whatever you take it for');
        else if (command.what === 'no JSON') far.socket.write(Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]));
        else if (command.what === 'too large') far.socket.write(Buffer.from([0, 0, 0, 0, 1, 0, 0, 0]));
        else if (command.what === 'half a frame') far.socket.write(Buffer.from([9, 0, 0, 0]));
        else far.send('ExecuteRequest', 3, '{}');
        return `${command.what} by ${far.name}`;
      }
      case 'cut': {
        const socket = socketAt(command.socket);
        if (socket === undefined) return null;
        cut(socket, command.how);
        return `${socket.far.name} by ${command.how}`;
      }
      case 'execute': {
        const seat = seatAt(command.at);
        if (seat === undefined) return null;
        const { limit, name, slow } = command;
        const abort = new AbortController();
        if (command.aborted) abort.abort();
        // What it had in flight may have ended in this very turn, with nobody told yet.
        const over = seat.instance.state === 'stopped';
        const execution = seat.instance.execute(
          { command: 'work', args: [seat.subject.id], ...(name === null ? {} : { taskId: `${name} of ${seat.subject.id}` }) },
          { signal: abort.signal, ...(limit === null ? {} : { timeout: limit }) },
        );
        const task = reference.execute(seat.subject, execution.taskId, limit, { aborted: command.aborted, slow, over });
        execution.updates$.subscribe(update =>
          reference.updated(task, 'output' in update ? { ...update, output: brief(update.output!) } : update),
        );
        execution.result.then(
          ({ output }) => reference.settled(task, 'completed', output),
          (error: SpearletError) => reference.settled(task, error.code, error.output ?? null),
        );
        errands.push({ task, execution, abort, reader: slow ? execution[Symbol.asyncIterator]() : null });
        return `${execution.taskId} on ${seat.subject.id}${limit === null ? '' : `, at most ${limit} ms`}${slow ? ', nobody reads' : ''}${command.aborted ? ', aborted' : ''}`;
      }
      case 'cancel': {
        const errand = errandAt(command.task, () => true);
        if (errand === undefined) return null;
        if (errand.task.outcomes.length === 0) errand.task.cancelled = true;
        if (command.how === 'abort') errand.abort.abort();
        else errand.execution.cancel();
        return `${errand.task.taskId} of ${errand.task.owner.id} by ${command.how}`;
      }
      case 'answer': {
        const errand = errandAt(command.task, ({ task }) => task.askedOn.length > 0 && sessionsOf(task.owner).length > 0);
        if (errand === undefined) return null;
        const { task } = errand;
        const { twist, times, flood } = command;
        // Who does not read is flooded more often.
        const status = flood && task.slow ? 'Running' : command.status;
        const socket = twist === 'other socket' ? socketAt(command.task) : sessionsOf(task.owner)[0];
        if (socket === undefined) return null;
        const others = errands.filter(each => each.task !== task && each.task.taskId !== task.taskId);
        const taskId = twist === 'other task' ? (others.at(-1)?.task.taskId ?? 'nobody') : task.taskId;
        const requestId = Number(task.requestId) + (twist !== 'other id' ? 0 : command.task % 2 === 0 ? -1 : 1_000);
        const { seat, far } = socket;
        if (!socket.admitted) socket.sinned = true;
        for (let n = 1; n <= times; n += 1) {
          const output = flood && status === 'Running' ? FLOOD : `${status} ${done.length}.${n} by ${far.name}`;
          const named = errands
            .map(each => each.task)
            .filter(each => each.owner === seat.subject && each.taskId === taskId && each.refusal === null);
          // One that is still to be sent has an id that nobody knows; an agent could guess it.
          if (named.some(each => each.requestId === null && each.outcomes.length === 0)) return null;
          const meant = named.find(each => each.requestId === requestId);
          const due =
            socket.admitted &&
            !socket.sinned &&
            seat.held === null &&
            far.near?.paused === false &&
            !errands.some(each => each.task.owner === seat.subject && each.task.slow);
          // What a stranger says must never count; one who has shown the token may be let in and heard later.
          if (meant !== undefined && socket.claimed === 'right' && !socket.refused)
            reference.answered(meant, { socket: far.name, status, output: brief(output) }, due);
          const failed = status === 'Failed';
          far.send(
            'ExecuteResponse',
            requestId,
            v1.encodeExecuteResponse({ taskId, status, output, error: failed ? 'it went wrong' : null, exitCode: failed ? 1 : null }),
          );
        }
        return `${task.taskId} of ${task.owner.id} by ${far.name}: ${status}${times > 1 ? ` × ${times}` : ''}${twist === 'none' ? '' : `, ${twist}`}${flood && status === 'Running' ? ', a flood' : ''}`;
      }
      case 'read': {
        const errand = errandAt(command.task, each => each.reader !== null);
        if (errand === undefined) return null;
        void (async () => {
          while (!(await errand.reader!.next()).done);
        })().catch(() => {});
        return errand.task.taskId;
      }
      case 'freeze':
      case 'thaw': {
        const socket = socketAt(command.socket);
        if (socket === undefined || socket.far.frozen === (command.do === 'freeze')) return null;
        if (command.do === 'thaw') socket.far.thaw();
        else {
          socket.far.frozen = true;
          socket.far.wasFrozen = true;
          socket.seat.subject.reasons.add('frozen');
        }
        return socket.far.name;
      }
      case 'die': {
        const seat = seatAt(command.at);
        const run = taps.runs.findLast(({ environment }) => environment.SPEARLET_INSTANCE_ID === seat?.subject.id);
        if (seat === undefined || run === undefined || run.exited || run.doomed) return null;
        // Nothing else may be under way: whether it comes first is the system's to decide, and no seed's.
        return taps.settle().then(() => {
          if (run.exited || run.doomed) return null;
          run.doomed = true;
          seat.subject.reasons.add(command.how === 'SIGUSR1' ? 'completed' : 'crashed');
          process.kill(run.pid, command.how);
          return `${seat.subject.id} by ${command.how}`;
        });
      }
      case 'stop': {
        const seat = seatAt(command.at);
        if (seat === undefined) return null;
        stopSeat(seat, command.grace);
        void seat.instance.stop({ grace: command.grace });
        return `${seat.subject.id} within ${command.grace} ms`;
      }
      case 'stopAll': {
        for (const seat of living()) stopSeat(seat, command.grace);
        stoppedAll = true;
        void spearlet.stop({ grace: command.grace });
        return `within ${command.grace} ms`;
      }
      case 'pass':
        // What was begun before has happened when time goes on.
        return taps
          .settle()
          .then(() => taps.pass(command.ms))
          .then(() => `${command.ms} ms`);
      case 'hold': {
        const seat = seatAt(command.at);
        if (seat === undefined || seat.held !== null || seat.subject.state === 'stopped') return null;
        seat.held = { network: [], process: [] };
        seat.subject.held = true;
        return seat.subject.id;
      }
      case 'release':
      case 'open': {
        const seat = seatAt(command.at);
        if (seat?.held == null) return null;
        if (command.do === 'open') open(seat);
        else {
          const first = seat.held[command.from].shift();
          if (first === undefined) return null;
          first();
        }
        return seat.subject.id;
      }
    }
  };

  const check = (): void => {
    // What else was done in the same turn may have changed what is due.
    const isAsBefore = ({ seat: { held, subject } }: Socket): boolean => held === null && !subject.stopped;
    for (const socket of promised.splice(0)) {
      if (socket.admitted || !isOpen(socket) || !isAsBefore(socket)) continue;
      const became = socket.refused ? 'refused' : 'not let in';
      reference.faults.push(`${socket.far.name} showed the right token to ${socket.seat.subject.id} and was ${became}`);
    }
    for (const { socket, holder } of rivals.splice(0)) {
      const answers = isOpen(holder) && !holder.sinned && !holder.far.frozen && holder.far.near?.paused === false;
      if (!isOpen(socket) || socket.refused || !answers || !isAsBefore(socket)) continue;
      reference.faults.push(`${socket.far.name} was not refused, although ${holder.far.name} is alive`);
    }
    const views = (owner: Subject): Session[] =>
      sessionsOf(owner).map(({ far, sinned }) => ({
        name: far.name,
        paused: sinned || far.near?.paused !== false,
        told: taskId => far.received.some(({ type, payload }) => type === 'Signal' && payload.includes(JSON.stringify(taskId))),
      }));
    for (const seat of seats)
      seat.subject.deaf = sockets.some(
        each => each.seat === seat && each.admitted && each.far.cut && each.far.near?.paused && !each.far.near.closed,
      );
    reference.check(views);
    for (const { subject, instance } of seats) {
      if (instance.state !== subject.state) reference.faults.push(`${subject.id} is ${instance.state}, and shows ${subject.state}`);
      const stats = spearlet.stats().instances.find(each => each.instanceId === subject.id);
      const live = stats?.connections.filter(each => each.session).length ?? 0;
      if (live > 1) reference.faults.push(`${subject.id} counts ${live} sessions`);
    }
    if (reference.faults.length > 0) throw new Error(reference.faults.join('\n'));
  };

  const end = async (): Promise<void> => {
    for (const seat of seats) open(seat);
    await taps.settle();
    check();
    for (const seat of living()) stopSeat(seat, 0);
    stoppedAll = true;
    let over = false;
    const stopping = spearlet.stop({ grace: 0 }).then(() => {
      over = true;
    });
    await taps.settle();
    for (let ms = 0; !over && ms <= 250; ms += 50) await taps.pass(50);
    if (!over) throw new Error(`stop() did not come to its end: ${seats.map(({ subject }) => `${subject.id} ${subject.state}`).join()}`);
    await stopping;
    await taps.settle();
    reference.check(() => []);
    reference.close();
    if (spearlet.instances.length > 0) reference.faults.push('an instance is left');
    if (taps.listeners.size > 0) reference.faults.push(`${taps.listeners.size} listeners are left`);
    const left = sockets.filter(({ far }) => !far.closed);
    if (left.length > 0) reference.faults.push(`sockets are left: ${left.map(({ far }) => far.name).join()}`);
    const alive = taps.runs.filter(({ pid, exited }) => !exited || isAlive(pid));
    if (alive.length > 0) reference.faults.push(`programs are left: ${alive.map(({ pid }) => pid).join()}`);
    if (reference.faults.length > 0) throw new Error(reference.faults.join('\n'));
  };

  let fault: string | null = null;
  try {
    for (const { kind, joined } of cast) {
      const seat = await begin(kind);
      await taps.settle();
      done.push(`a ${seat!.subject.id}${joined ? ' that is joined' : ''}`);
      if (!joined) continue;
      const socket = await dial(seat!);
      if (socket !== null) claim(socket, 'right');
      await taps.settle();
    }
    check();
    for (const command of commands) {
      const result = perform(command);
      const words = typeof result === 'string' || result === null ? result : await result;
      if (words === null) continue;
      const isHasty = 'hasty' in command && command.hasty;
      done.push(`${command.do} ${words}${isHasty ? ' …' : ''}`);
      if (isHasty) continue;
      await taps.settle();
      check();
    }
    done.push('the end');
    await end();
  } catch (thrown) {
    fault = [...new Set([...reference.faults, (thrown as Error).message])].join('\n');
    for (const seat of seats) seat.held = null;
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

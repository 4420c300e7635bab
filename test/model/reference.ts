// The reference model: it gets every command and every observation, and lists what the documentation does not allow. It knows only
// the public names and numbers: no chart, and no code of the engine.

export const bounds = {
  connectTimeout: 8_000,
  authTimeout: 2_000,
  reconnectWindow: 3_000,
  grace: 400,
  heartbeat: { interval: 1_000, misses: 2 },
  restart: { intensity: 1, period: 20_000, backoff: { min: 100, max: 1_000 } },
  maxInFlight: 4,
  maxConcurrentStarts: 2,
} as const;
/** How long the output of a program is read after its exit, in ms. */
const DRAIN = 250;
/**
 * How long an instance may stay in `executing` without an execution in flight, in ms: until 20 ms have passed without one. This is
 * looked at every 20 ms, so it may take twice as long; and some turns.
 */
const IDLE_DELAY = 2 * 20 + 3;

/** The allowed transitions between public states. */
const transitions: Readonly<Record<string, readonly string[]>> = {
  '': ['allocating'],
  allocating: ['listening', 'stopping', 'stopped'],
  listening: ['authenticating', 'stopping'],
  authenticating: ['listening', 'ready', 'stopping'],
  ready: ['executing', 'reconnecting', 'stopping'],
  executing: ['ready', 'reconnecting', 'stopping'],
  reconnecting: ['ready', 'stopping'],
  stopping: ['stopped', 'backoff'],
  backoff: ['allocating', 'stopped'],
  stopped: [],
};

export type Policy = 'permanent' | 'transient' | 'temporary';

export interface Outcome {
  /** The code of the error, or `completed`. */
  readonly code: string;
  readonly output: string | null;
  readonly at: number;
}

export interface Response {
  readonly socket: string;
  readonly status: 'Started' | 'Running' | 'Completed' | 'Failed';
  readonly output: string;
}

export interface Task {
  readonly taskId: string;
  readonly owner: Subject;
  readonly madeAt: number;
  readonly limit: number | null;
  /** The code with which it must be refused at once; null: it is accepted. */
  readonly refusal: string | null;
  /** It has a reader that does not read. */
  readonly slow: boolean;
  requestId: unknown;
  /** How often the request was written to a socket, and the incarnation of the last time. */
  written: number;
  incarnation: number;
  /** The sockets on which an agent has received the request. */
  readonly receivedOn: string[];
  cancelled: boolean;
  /** The earliest and the latest time since which no agent that knows the request is connected. */
  orphanedAt: number | null;
  surelyOrphanedAt: number | null;
  readonly responses: Response[];
  /** How many of them have become updates, or are lost. */
  updated: number;
  /** A terminal response that must have settled the execution by now. */
  due: Response | null;
  readonly updates: { readonly status: string; readonly output?: string }[];
  outcomes: Outcome[];
}

export interface Subject {
  readonly id: string;
  readonly external: boolean;
  readonly policy: Policy;
  state: string;
  since: number;
  /** When the instance must have stopped. */
  stopBy: number | null;
  stopped: boolean;
  sessions: number;
  /** Sessions of this incarnation. */
  opened: number;
  readonly exits: { readonly at: number; readonly incarnation: number; readonly reason: string }[];
  /** The times of failures. */
  readonly failures: number[];
  /** The state that must follow the end of an incarnation. */
  next: string | null;
  /** The reasons for which an incarnation may end, by what was done to its programs and sockets. */
  readonly reasons: Set<string>;
  /** The results of start(): `ready`, or the code of the error. */
  readonly start: string[];
  exited: number;
  /** The test holds its events, so it may not know its state yet. */
  held: boolean;
  /** Its session is paused by a slow reader and was closed, which the host does not know yet. */
  closeUnnoticed: boolean;
  touchedAt: number;
  /** When it began to wait for a connection, and when its last session was lost. */
  connectingAt: number | null;
  lostAt: number | null;
}

export interface Session {
  readonly name: string;
  readonly paused: boolean;
  readonly gotSignalFor: (taskId: string) => boolean;
}

export interface Reference {
  readonly faults: string[];
  readonly subjects: Map<string, Subject>;
  readonly tasks: Task[];
  begin(id: string, external: boolean, policy: Policy): Subject;
  execute(owner: Subject, taskId: string, limit: number | null, how: { aborted: boolean; slow: boolean; over: boolean }): Task;
  /** `task`: the execution to which a call was attached. Null: it was attached to none. */
  attached(owner: Subject, taskId: string, task: Task | null, over: boolean): void;
  requestWritten(owner: Subject, taskId: string, requestId: unknown, incarnation: number): void;
  requestReceived(owner: Subject, taskId: string, socket: string): void;
  responseSent(task: Task, response: Response, mustArrive: boolean): void;
  updated(task: Task, update: { status: string; output?: string }): void;
  settled(task: Task, code: string, output: string | null): void;
  sessionLost(owner: Subject): void;
  /** `restartClock`: earlier stops reach the instance only now. */
  stop(owner: Subject, grace: number, restartClock?: boolean): void;
  stateChanged(owner: Subject, state: string): void;
  incarnationEnded(owner: Subject, reason: string, incarnation: number): void;
  startSettled(owner: Subject, code: string): void;
  /** The world is idle: checks what must have happened by now. */
  check(sessionsOf: (owner: Subject) => readonly Session[]): void;
  /** The spearlet has stopped: checks that everything has ended. */
  close(): void;
}

const live = (task: Task): boolean => task.refusal === null && task.outcomes.length === 0 && !task.cancelled;
const isTerminal = ({ status }: Response): boolean => status === 'Completed' || status === 'Failed';
const codeOf = ({ status }: Response): string => (status === 'Completed' ? 'completed' : 'EXECUTION_FAILED');

export function createReference(now: () => number): Reference {
  const faults: string[] = [];
  const subjects = new Map<string, Subject>();
  const tasks: Task[] = [];
  const must = (holds: boolean, text: () => string): void => {
    if (!holds) faults.push(text());
  };
  const inFlight = (owner: Subject): Task[] => tasks.filter(task => task.owner === owner && live(task));
  /** The last accepted execution with this task id, which may be used again after its end. */
  const find = (owner: Subject, taskId: string): Task | undefined =>
    tasks.findLast(task => task.owner === owner && task.taskId === taskId && task.refusal === null);

  /** Checks that an outcome is allowed after the commands and observations so far. */
  const justify = (task: Task, { code, output, at }: Outcome): void => {
    const { owner, taskId, refusal } = task;
    const because = (why: string) => () => `${taskId} ended with ${code}, but ${why}`;
    if (refusal !== null) return must(code === refusal, because(`it had to be refused with ${refusal}`));
    switch (code) {
      case 'completed':
      case 'EXECUTION_FAILED': {
        const first = new Map<string, Response>();
        for (const response of task.responses)
          if (isTerminal(response) && !first.has(response.socket)) first.set(response.socket, response);
        const isSent = [...first.values()].some(response => codeOf(response) === code && response.output === output);
        return must(isSent, because(`no agent sent ${JSON.stringify(output)}; it sent ${JSON.stringify([...first.values()])}`));
      }
      case 'CANCELLED':
        return must(task.cancelled, because('the caller did not cancel it'));
      case 'EXECUTION_TIMEOUT':
        return must(
          task.limit !== null && at >= task.madeAt + task.limit,
          because(`after ${at - task.madeAt} ms, and its timeout is ${task.limit} ms`),
        );
      case 'NOT_DELIVERED':
        must(task.written === 0, because('it was written to a socket'));
        return must(owner.state === 'stopped', because(`its instance is ${owner.state}`));
      case 'OUTCOME_UNKNOWN': {
        must(task.written > 0, because('it was not written'));
        const programLost = owner.exits.some(exit => exit.incarnation >= task.incarnation && exit.at <= at);
        const sessionLost = task.orphanedAt !== null && at >= task.orphanedAt + bounds.reconnectWindow;
        return must(programLost || sessionLost, because('neither its program has ended nor the reconnect window'));
      }
      default:
        return must(false, because('this code does not end an execution'));
    }
  };

  const checkTask = (task: Task, sessions: readonly Session[]): void => {
    const { owner, taskId } = task;
    must(task.outcomes.length <= 1, () => `${taskId} ended ${task.outcomes.length} times`);
    const terminals = task.updates.filter(({ status }) => status === 'completed' || status === 'failed');
    must(
      terminals.length === task.outcomes.length,
      () => `${taskId} has ${terminals.length} terminal updates, ${task.outcomes.length} results`,
    );
    must(task.refusal === null || task.outcomes.length === 1, () => `${taskId} was not refused with ${task.refusal}`);
    must(task.written <= 1, () => `${taskId} was sent ${task.written} times`);
    must(task.receivedOn.length <= 1, () => `${taskId} reached agents ${task.receivedOn.length} times: ${task.receivedOn.join()}`);
    if (task.outcomes.length > 0) return;
    if (task.cancelled) must(false, () => `${taskId} was cancelled and has not ended`);
    must(
      task.limit === null || now() < task.madeAt + task.limit,
      () => `${taskId} is over its timeout of ${task.limit} ms and has not ended`,
    );
    must(owner.state !== 'stopped', () => `${taskId} has not ended, its instance has`);
    if (owner.held) return;
    must(task.due === null, () => `${taskId} got the response ${JSON.stringify(task.due)} and has not ended`);
    const abandoned =
      task.surelyOrphanedAt !== null && now() >= task.surelyOrphanedAt + bounds.reconnectWindow && !inFlight(owner).some(each => each.slow);
    must(!abandoned, () => `${taskId} has no agent since ${task.surelyOrphanedAt} and has not ended`);
    if (sessions[0]?.paused === false && /ready|executing/.test(owner.state))
      must(task.written === 1, () => `${taskId} was not written although a session is open`);
  };

  const checkSubject = (owner: Subject, sessions: readonly Session[]): void => {
    const { id, state, since } = owner;
    must(sessions.length <= 1, () => `${id} has ${sessions.length} live sessions: ${sessions.map(({ name }) => name).join()}`);
    must(owner.exited <= 1 && owner.start.length <= 1, () => `${id} was started ${owner.start.length} times, ended ${owner.exited} times`);
    must((owner.exited === 1) === (state === 'stopped'), () => `${id} is ${state}, exited settled ${owner.exited} times`);
    must(state !== 'stopped' || owner.start.length === 1, () => `${id} is stopped, and its start has not settled`);
    must(
      owner.start.length === 0 || (owner.start[0] === 'ready') === owner.sessions > 0,
      () => `${id}: start() settled with ${owner.start[0]} after ${owner.sessions} sessions`,
    );
    if (owner.held || state === 'stopped') return;
    const waited = now() - since;
    const working = inFlight(owner).length;
    must(owner.stopBy === null || now() <= owner.stopBy, () => `${id} should have stopped at ${owner.stopBy}, and is ${state}`);
    must(state !== 'backoff' || waited <= bounds.restart.backoff.max, () => `${id} is in backoff for ${waited} ms`);
    must(
      state !== 'reconnecting' || (waited <= bounds.reconnectWindow && sessions.length === 0),
      () => `${id} is reconnecting for ${waited} ms with ${sessions.length} sessions`,
    );
    must(
      !/ready|executing/.test(state) || owner.closeUnnoticed || sessions.length === 1,
      () => `${id} is ${state} with ${sessions.length} sessions`,
    );
    must(sessions.length === 0 || /ready|executing|stopping/.test(state), () => `${id} is ${state} and has a session`);
    must(state !== 'ready' || working === 0, () => `${id} is ready with ${working} executions in flight`);
    must(
      state !== 'executing' || working > 0 || now() <= owner.touchedAt + IDLE_DELAY,
      () => `${id} is executing without an execution for ${now() - owner.touchedAt} ms`,
    );
  };

  return {
    faults,
    subjects,
    tasks,
    begin(id, external, policy) {
      const subject: Subject = {
        id,
        external,
        policy,
        state: '',
        since: now(),
        stopBy: null,
        stopped: false,
        sessions: 0,
        opened: 0,
        exits: [],
        failures: [],
        next: null,
        reasons: new Set(),
        start: [],
        exited: 0,
        held: false,
        closeUnnoticed: false,
        touchedAt: now(),
        connectingAt: null,
        lostAt: null,
      };
      subjects.set(id, subject);
      return subject;
    },
    attached(owner, taskId, task, over) {
      const expected = over ? undefined : inFlight(owner).find(each => each.taskId === taskId);
      // In a turn in which it ends, either may be.
      if (task === null && expected !== undefined) faults.push(`${taskId} is in flight, and was executed again`);
      if (task !== null && task.taskId !== taskId) faults.push(`${taskId} was attached to ${task.taskId}`);
    },
    execute(owner, taskId, limit, { aborted, slow, over }) {
      const mine = inFlight(owner);
      const refusal =
        owner.stopped || over ? 'INSTANCE_STOPPED' : aborted ? 'CANCELLED' : mine.length >= bounds.maxInFlight ? 'OVERLOADED' : null;
      const task: Task = {
        taskId,
        owner,
        madeAt: now(),
        limit,
        refusal,
        slow,
        requestId: null,
        written: 0,
        incarnation: 0,
        receivedOn: [],
        cancelled: false,
        orphanedAt: null,
        surelyOrphanedAt: null,
        responses: [],
        updated: 0,
        due: null,
        updates: [],
        outcomes: [],
      };
      if (refusal === null) owner.touchedAt = now();
      tasks.push(task);
      return task;
    },
    requestWritten(owner, taskId, requestId, incarnation) {
      const task = find(owner, taskId);
      if (task === undefined) return must(false, () => `${taskId} was written, but never requested`);
      must(live(task), () => `${taskId} was written after its end`);
      task.written += 1;
      task.requestId = requestId;
      task.incarnation = incarnation;
    },
    requestReceived(owner, taskId, socket) {
      find(owner, taskId)?.receivedOn.push(socket);
    },
    responseSent(task, response, mustArrive) {
      task.responses.push(response);
      task.surelyOrphanedAt = null;
      if (mustArrive && isTerminal(response) && live(task)) task.due = response;
    },
    updated(task, update) {
      const { updates, taskId } = task;
      must(task.outcomes.length === 0, () => `${taskId}: ${update.status} after its end`);
      must(
        (update.status === 'started') === (updates.length === 0) || update.status === 'failed',
        () => `${taskId}: ${update.status} as update ${updates.length + 1}`,
      );
      if (update.status === 'running') {
        // In order, and only output that was sent. Output on a lost socket may be missing.
        const skipped = task.responses
          .slice(task.updated)
          .findIndex(({ status, output }) => status === 'Running' && output === update.output);
        must(skipped >= 0, () => `${taskId}: output ${JSON.stringify(update.output)}, which no agent had sent`);
        task.updated += skipped + 1;
      }
      updates.push(update);
      // A response has certainly arrived.
      if (update.status === 'started' || update.status === 'running') task.orphanedAt = null;
    },
    settled(task, code, output) {
      task.outcomes.push({ code, output, at: now() });
      task.owner.touchedAt = now();
    },
    sessionLost(owner) {
      owner.lostAt = now();
      for (const task of inFlight(owner)) {
        if (task.written === 0) continue;
        task.orphanedAt ??= now();
        task.surelyOrphanedAt = now();
      }
    },
    stop(owner, grace, restartClock = false) {
      owner.stopped = true;
      const by = now() + grace + DRAIN;
      owner.stopBy = restartClock ? by : Math.min(owner.stopBy ?? by, by);
    },
    stateChanged(owner, state) {
      must(transitions[owner.state]?.includes(state) === true, () => `${owner.id} went from ${owner.state} to ${state}`);
      if (owner.next !== null)
        must(state === owner.next, () => `${owner.id} is ${state} after ${owner.exits.at(-1)!.reason}, not ${owner.next}`);
      owner.next = null;
      must(state !== 'backoff' || !owner.stopped, () => `${owner.id} restarts after a stop`);
      if (state === 'allocating') owner.opened = 0;
      if (state === 'listening' && owner.state === 'allocating') owner.connectingAt = now();
      owner.state = state;
      owner.since = now();
    },
    incarnationEnded(owner, reason, incarnation) {
      must(
        incarnation === owner.exits.length + 1,
        () => `${owner.id}: incarnation ${incarnation} ended as number ${owner.exits.length + 1}`,
      );
      const { connectingAt, lostAt, reasons } = owner;
      const outOfReach = lostAt !== null && now() >= lostAt + bounds.reconnectWindow;
      const justified: Readonly<Record<string, boolean>> = {
        connect: connectingAt !== null && now() >= connectingAt + bounds.connectTimeout,
        link: outOfReach,
        heartbeat: outOfReach && reasons.has('frozen'),
        // Before the instance is ready, every exit of the program counts as a crash.
        crashed: reasons.has('crashed') || (owner.opened === 0 && reasons.has('completed')),
      };
      must(justified[reason] ?? reasons.has(reason), () => `${owner.id} ended with the reason ${reason}, which nothing explains`);
      // They do not explain the end of the next incarnation.
      reasons.delete('crashed');
      reasons.delete('completed');
      owner.exits.push({ at: now(), incarnation, reason });
      const over =
        owner.stopped || owner.sessions === 0 || owner.policy === 'temporary' || (owner.policy === 'transient' && reason === 'completed');
      if (!over) owner.failures.push(now());
      const recent = owner.failures.filter(at => now() - at < bounds.restart.period).length;
      owner.next = over || recent > bounds.restart.intensity ? 'stopped' : 'backoff';
    },
    startSettled(owner, code) {
      owner.start.push(code);
    },
    check(sessionsOf) {
      for (const owner of subjects.values()) {
        const sessions = sessionsOf(owner);
        checkSubject(owner, sessions);
        for (const task of tasks) {
          if (task.owner !== owner) continue;
          checkTask(task, sessions);
          const outcome = task.outcomes[0];
          if (outcome === undefined) continue;
          const session = sessions[0];
          const byCaller = task.refusal === null && /CANCELLED|EXECUTION_TIMEOUT/.test(outcome.code);
          if (
            byCaller &&
            !owner.held &&
            session !== undefined &&
            task.receivedOn.includes(session.name) &&
            /ready|executing/.test(owner.state)
          )
            must(session.gotSignalFor(task.taskId), () => `${session.name} got no cancel for ${task.taskId}, which is ${outcome.code}`);
        }
      }
      const processes = [...subjects.values()].filter(({ external }) => !external);
      const starting = processes.filter(({ state }) => state === 'listening' || state === 'authenticating');
      must(starting.length <= bounds.maxConcurrentStarts, () => `${starting.map(({ id }) => id).join()} are started at the same time`);
      const settling = processes.filter(({ state, opened }) => state === 'stopping' && opened === 0);
      const queued = processes.filter(({ state, held }) => state === 'allocating' && !held);
      must(
        queued.length === 0 || starting.length + settling.length >= bounds.maxConcurrentStarts,
        () => `${queued[0]?.id} waits for a start slot while ${starting.length + settling.length} are in use`,
      );
      for (const task of tasks) for (const outcome of task.outcomes) justify(task, outcome);
    },
    close() {
      for (const { id, state } of subjects.values()) must(state === 'stopped', () => `${id} is ${state} at the end`);
      for (const { taskId, outcomes } of tasks) must(outcomes.length === 1, () => `${taskId} ended ${outcomes.length} times`);
    },
  };
}

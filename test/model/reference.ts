// What the contract allows, as plain data: told what was done and what was seen, it says what must not be. It knows no
// chart and nothing of how the engine works; only names and numbers of the public face.

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
/** How long what a program has written before its end is still read, in ms. */
const DRAIN = 250;
/** A stream of short executions is one stay in `executing`: after so much quiet it is over, in ms. */
const QUIET = 3;

/** From where to where, by the contract's names. */
const moves: Readonly<Record<string, readonly string[]>> = {
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
  /** A code of an error, or `completed`. */
  readonly code: string;
  readonly output: string | null;
  readonly at: number;
}

export interface Answer {
  readonly socket: string;
  readonly status: 'Started' | 'Running' | 'Completed' | 'Failed';
  readonly output: string;
}

export interface Task {
  readonly taskId: string;
  readonly owner: Subject;
  readonly madeAt: number;
  readonly limit: number | null;
  /** What it must have been refused with at once; null: accepted. */
  readonly refusal: string | null;
  /** Whoever reads it is slow. */
  readonly slow: boolean;
  requestId: unknown;
  /** How often it was handed to a socket, when last, and in which incarnation. */
  written: number;
  incarnation: number;
  /** The sockets whose agents were asked. */
  readonly askedOn: string[];
  cancelled: boolean;
  /** Since when no agent that may know of it is connected, and since when that is known for sure. */
  orphanedAt: number | null;
  doubtedAt: number | null;
  readonly answers: Answer[];
  /** How many of them the caller has seen, or has missed for good. */
  heard: number;
  /** The last answer that must have come by now. */
  due: Answer | null;
  readonly updates: { readonly status: string; readonly output?: string }[];
  outcomes: Outcome[];
}

export interface Subject {
  readonly id: string;
  readonly external: boolean;
  readonly policy: Policy;
  state: string;
  since: number;
  /** The earliest moment at which a stop must have come to its end. */
  stopBy: number | null;
  stopped: boolean;
  sessions: number;
  /** Sessions of this incarnation. */
  opened: number;
  readonly exits: { readonly at: number; readonly incarnation: number; readonly reason: string }[];
  readonly falls: number[];
  /** The state that has to come next, after the end of an incarnation. */
  next: string | null;
  /** What was done to its programs and sockets, as reasons why an incarnation may end. */
  readonly reasons: Set<string>;
  /** What start() told: `ready`, or a code. */
  readonly start: string[];
  exited: number;
  /** Its events are held back: it cannot know what it should. */
  held: boolean;
  /** A slow reader holds back its session's socket: that it was cut is not known yet. */
  deaf: boolean;
  touchedAt: number;
  /** When its program was started, and when its session was lost last. */
  connectingAt: number | null;
  lostAt: number | null;
}

export interface Session {
  readonly name: string;
  readonly paused: boolean;
  readonly told: (taskId: string) => boolean;
}

export interface Reference {
  readonly faults: string[];
  readonly subjects: Map<string, Subject>;
  readonly tasks: Task[];
  begin(id: string, external: boolean, policy: Policy): Subject;
  execute(owner: Subject, taskId: string, limit: number | null, how: { aborted: boolean; slow: boolean; over: boolean }): Task;
  wrote(owner: Subject, taskId: string, requestId: unknown, incarnation: number): void;
  asked(owner: Subject, taskId: string, socket: string): void;
  answered(task: Task, answer: Answer, must: boolean): void;
  updated(task: Task, update: { status: string; output?: string }): void;
  settled(task: Task, code: string, output: string | null): void;
  lost(owner: Subject): void;
  /** `anew`: whatever it was told before, it knows only now. */
  stop(owner: Subject, grace: number, anew?: boolean): void;
  moved(owner: Subject, state: string): void;
  ended(owner: Subject, reason: string, incarnation: number): void;
  started(owner: Subject, code: string): void;
  /** Everything is at rest: what must have happened by now? */
  check(sessionsOf: (owner: Subject) => readonly Session[]): void;
  /** Everything is over. */
  close(): void;
}

const live = (task: Task): boolean => task.refusal === null && task.outcomes.length === 0 && !task.cancelled;
const terminal = ({ status }: Answer): boolean => status === 'Completed' || status === 'Failed';
const codeOf = ({ status }: Answer): string => (status === 'Completed' ? 'completed' : 'EXECUTION_FAILED');

export function createReference(now: () => number): Reference {
  const faults: string[] = [];
  const subjects = new Map<string, Subject>();
  const tasks: Task[] = [];
  const must = (holds: boolean, text: () => string): void => {
    if (!holds) faults.push(text());
  };
  const inFlight = (owner: Subject): Task[] => tasks.filter(task => task.owner === owner && live(task));
  /** Named executions may have the same id one after the other. */
  const find = (owner: Subject, taskId: string): Task | undefined =>
    tasks.findLast(task => task.owner === owner && task.taskId === taskId && task.refusal === null);

  /** Was this an outcome that the contract allows, after all that was done? */
  const justify = (task: Task, { code, output, at }: Outcome): void => {
    const { owner, taskId, refusal } = task;
    const say = (why: string) => () => `${taskId} ended with ${code}, but ${why}`;
    if (refusal !== null) return must(code === refusal, say(`${refusal} was due at once`));
    switch (code) {
      case 'completed':
      case 'EXECUTION_FAILED': {
        const first = new Map<string, Answer>();
        for (const answer of task.answers) if (terminal(answer) && !first.has(answer.socket)) first.set(answer.socket, answer);
        const given = [...first.values()].some(answer => codeOf(answer) === code && answer.output === output);
        return must(given, say(`no agent answered so (${JSON.stringify(output)}; it said ${JSON.stringify([...first.values()])})`));
      }
      case 'CANCELLED':
        return must(task.cancelled, say('nobody cancelled it'));
      case 'EXECUTION_TIMEOUT':
        return must(
          task.limit !== null && at >= task.madeAt + task.limit,
          say(`its limit is ${task.limit} ms, and ${at - task.madeAt} went by`),
        );
      case 'NOT_DELIVERED':
        must(task.written === 0, say('it was handed to a socket'));
        return must(owner.state === 'stopped', say(`its instance is ${owner.state}`));
      case 'OUTCOME_UNKNOWN': {
        must(task.written > 0, say('no byte of it was sent'));
        const programLost = owner.exits.some(exit => exit.incarnation >= task.incarnation && exit.at <= at);
        const linkLost = task.orphanedAt !== null && at >= task.orphanedAt + bounds.reconnectWindow;
        return must(programLost || linkLost, say('neither its program nor its link is lost for good'));
      }
      default:
        return must(false, say('that is no end for an execution'));
    }
  };

  const checkTask = (task: Task, sessions: readonly Session[]): void => {
    const { owner, taskId } = task;
    must(task.outcomes.length <= 1, () => `${taskId} ended ${task.outcomes.length} times`);
    const terminals = task.updates.filter(({ status }) => status === 'completed' || status === 'failed');
    must(
      terminals.length === task.outcomes.length,
      () => `${taskId} has ${terminals.length} last updates, ${task.outcomes.length} results`,
    );
    must(task.refusal === null || task.outcomes.length === 1, () => `${taskId} was not refused with ${task.refusal}`);
    must(task.written <= 1, () => `${taskId} was sent ${task.written} times`);
    must(task.askedOn.length <= 1, () => `${taskId} reached agents ${task.askedOn.length} times: ${task.askedOn.join()}`);
    if (task.outcomes.length > 0) return;
    if (task.cancelled) must(false, () => `${taskId} was cancelled and has not ended`);
    must(
      task.limit === null || now() < task.madeAt + task.limit,
      () => `${taskId} is over its limit of ${task.limit} ms and has not ended`,
    );
    must(owner.state !== 'stopped', () => `${taskId} has not ended, its instance has`);
    if (owner.held) return;
    must(task.due === null, () => `${taskId} was answered ${JSON.stringify(task.due)} and has not ended`);
    const abandoned =
      task.doubtedAt !== null && now() >= task.doubtedAt + bounds.reconnectWindow && !inFlight(owner).some(each => each.slow);
    must(!abandoned, () => `${taskId} has no agent since ${task.doubtedAt} and has not ended`);
    if (sessions[0]?.paused === false && /ready|executing/.test(owner.state))
      must(task.written === 1, () => `${taskId} waits although a session is open`);
  };

  const checkSubject = (owner: Subject, sessions: readonly Session[]): void => {
    const { id, state, since } = owner;
    must(sessions.length <= 1, () => `${id} has ${sessions.length} live sessions: ${sessions.map(({ name }) => name).join()}`);
    must(owner.exited <= 1 && owner.start.length <= 1, () => `${id} was started ${owner.start.length} times, ended ${owner.exited} times`);
    must((owner.exited === 1) === (state === 'stopped'), () => `${id} is ${state}, exited settled ${owner.exited} times`);
    must(state !== 'stopped' || owner.start.length === 1, () => `${id} is stopped, and its start has not settled`);
    must(
      owner.start.length === 0 || (owner.start[0] === 'ready') === owner.sessions > 0,
      () => `${id}: start() told ${owner.start[0]} after ${owner.sessions} sessions`,
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
    must(!/ready|executing/.test(state) || owner.deaf || sessions.length === 1, () => `${id} is ${state} with ${sessions.length} sessions`);
    must(sessions.length === 0 || /ready|executing|stopping/.test(state), () => `${id} is ${state} and has a session`);
    must(state !== 'ready' || working === 0, () => `${id} is ready with ${working} executions in flight`);
    must(
      state !== 'executing' || working > 0 || now() <= owner.touchedAt + QUIET,
      () => `${id} is executing nothing for ${now() - owner.touchedAt} ms`,
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
        falls: [],
        next: null,
        reasons: new Set(),
        start: [],
        exited: 0,
        held: false,
        deaf: false,
        touchedAt: now(),
        connectingAt: null,
        lostAt: null,
      };
      subjects.set(id, subject);
      return subject;
    },
    execute(owner, taskId, limit, { aborted, slow, over }) {
      const mine = inFlight(owner);
      const refusal =
        !over && mine.some(task => task.taskId === taskId)
          ? 'INVALID_OPTIONS'
          : owner.stopped || over
            ? 'INSTANCE_STOPPED'
            : aborted
              ? 'CANCELLED'
              : mine.length >= bounds.maxInFlight
                ? 'OVERLOADED'
                : null;
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
        askedOn: [],
        cancelled: false,
        orphanedAt: null,
        doubtedAt: null,
        answers: [],
        heard: 0,
        due: null,
        updates: [],
        outcomes: [],
      };
      if (refusal === null) owner.touchedAt = now();
      tasks.push(task);
      return task;
    },
    wrote(owner, taskId, requestId, incarnation) {
      const task = find(owner, taskId);
      if (task === undefined) return must(false, () => `${taskId} was sent, and nobody asked for it`);
      must(live(task), () => `${taskId} was sent after its end`);
      task.written += 1;
      task.requestId = requestId;
      task.incarnation = incarnation;
    },
    asked(owner, taskId, socket) {
      find(owner, taskId)?.askedOn.push(socket);
    },
    answered(task, answer, due) {
      task.answers.push(answer);
      task.doubtedAt = null;
      if (due && terminal(answer) && live(task)) task.due = answer;
    },
    updated(task, update) {
      const { updates, taskId } = task;
      must(task.outcomes.length === 0, () => `${taskId}: ${update.status} after its end`);
      must(
        (update.status === 'started') === (updates.length === 0) || update.status === 'failed',
        () => `${taskId}: ${update.status} as update ${updates.length + 1}`,
      );
      if (update.status === 'running') {
        // In order, and nothing that was not said; what was said on a socket that was lost may be missing.
        const said = task.answers.slice(task.heard).findIndex(({ status, output }) => status === 'Running' && output === update.output);
        must(said >= 0, () => `${taskId}: output ${JSON.stringify(update.output)}, which no agent wrote then`);
        task.heard += said + 1;
      }
      updates.push(update);
      // A sign of life that has arrived for certain.
      if (update.status === 'started' || update.status === 'running') task.orphanedAt = null;
    },
    settled(task, code, output) {
      task.outcomes.push({ code, output, at: now() });
      task.owner.touchedAt = now();
    },
    lost(owner) {
      owner.lostAt = now();
      for (const task of inFlight(owner)) {
        if (task.written === 0) continue;
        task.orphanedAt ??= now();
        task.doubtedAt = now();
      }
    },
    stop(owner, grace, anew = false) {
      owner.stopped = true;
      const by = now() + grace + DRAIN;
      owner.stopBy = anew ? by : Math.min(owner.stopBy ?? by, by);
    },
    moved(owner, state) {
      must(moves[owner.state]?.includes(state) === true, () => `${owner.id} went from ${owner.state} to ${state}`);
      if (owner.next !== null)
        must(state === owner.next, () => `${owner.id} is ${state} after ${owner.exits.at(-1)!.reason}, not ${owner.next}`);
      owner.next = null;
      must(state !== 'backoff' || !owner.stopped, () => `${owner.id} restarts after a stop`);
      if (state === 'allocating') owner.opened = 0;
      if (state === 'listening' && owner.state === 'allocating') owner.connectingAt = now();
      owner.state = state;
      owner.since = now();
    },
    ended(owner, reason, incarnation) {
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
        // Before it is ready, every end by itself is one.
        crashed: reasons.has('crashed') || (owner.opened === 0 && reasons.has('completed')),
      };
      must(justified[reason] ?? reasons.has(reason), () => `${owner.id} ended: ${reason}, for which there was no reason`);
      // The next program has to be given reasons of its own.
      reasons.delete('crashed');
      reasons.delete('completed');
      owner.exits.push({ at: now(), incarnation, reason });
      const over =
        owner.stopped || owner.sessions === 0 || owner.policy === 'temporary' || (owner.policy === 'transient' && reason === 'completed');
      if (!over) owner.falls.push(now());
      const recent = owner.falls.filter(at => now() - at < bounds.restart.period).length;
      owner.next = over || recent > bounds.restart.intensity ? 'stopped' : 'backoff';
    },
    started(owner, code) {
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
          const told = sessions[0];
          const byUs = task.refusal === null && /CANCELLED|EXECUTION_TIMEOUT/.test(outcome.code);
          if (byUs && !owner.held && told !== undefined && task.askedOn.includes(told.name) && /ready|executing/.test(owner.state))
            must(told.told(task.taskId), () => `${told.name} was not told that ${task.taskId} is ${outcome.code}`);
        }
      }
      const processes = [...subjects.values()].filter(({ external }) => !external);
      const starting = processes.filter(({ state }) => state === 'listening' || state === 'authenticating');
      must(starting.length <= bounds.maxConcurrentStarts, () => `${starting.map(({ id }) => id).join()} start at once`);
      const settling = processes.filter(({ state, opened }) => state === 'stopping' && opened === 0);
      const queued = processes.filter(({ state, held }) => state === 'allocating' && !held);
      must(
        queued.length === 0 || starting.length + settling.length >= bounds.maxConcurrentStarts,
        () => `${queued[0]?.id} waits for a place while ${starting.length + settling.length} are taken`,
      );
      for (const task of tasks) for (const outcome of task.outcomes) justify(task, outcome);
    },
    close() {
      for (const { id, state } of subjects.values()) must(state === 'stopped', () => `${id} is ${state} at the end`);
      for (const { taskId, outcomes } of tasks) must(outcomes.length === 1, () => `${taskId} ended ${outcomes.length} times`);
    },
  };
}

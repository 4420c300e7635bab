// The members of a pool: instances that are started, given executions, retired and stopped. The chart of the pool decides when;
// this file does what it decides, and reports what has happened.
import type { PoolEvent } from '../../machines/pool.ts';
import { SpearletError } from '../errors.ts';
import { executesAtOnce } from '../instance/instance.ts';
import type { InstanceRecord } from '../instance/record.ts';
import type { Clock } from '../world/clock.ts';
import { createDispatcher, type Dispatcher, type DispatchState } from './dispatcher.ts';
import type { ParsedPoolOptions } from './option-schemas.ts';

export interface Member extends DispatchState {
  readonly record: InstanceRecord;
  /** How many executions it was given. */
  executions: number;
  /** Since when it runs no execution, in ms of the monotonic clock. */
  idleSince: number;
  /** It is given no more executions, and ends when it runs none. */
  isLeaving: boolean;
}

export interface Members {
  /** By instance id. */
  readonly all: ReadonlyMap<string, Member>;
  readonly dispatcher: Dispatcher<Member>;
  /** Why the last member has failed, or did not start. */
  readonly failure: SpearletError | null;
  start(): void;
  retire(instanceId: string): void;
  retireIdle(): void;
  /** How long until a member has been idle for long enough, in ms. */
  untilIdle(): number;
  /** Stops all members. Called again, with a shorter grace. */
  stop(grace: number): void;
  /** A member was given an execution. */
  given(member: Member): void;
  /** An execution of a member has ended. */
  freed(member: Member): void;
  /** Reports that executions need more members than was reported last. `more`: executions that were refused. */
  loadRose(more?: number): void;
}

export interface MembersDeps {
  readonly options: ParsedPoolOptions;
  /** The grace period of a member that is retired, in ms. */
  readonly grace: number;
  readonly clock: Clock;
  /** Starts an instance. Rejects with SpearletError. */
  startInstance(signal: AbortSignal): Promise<InstanceRecord>;
  send(event: PoolEvent): void;
  /** How many executions wait. */
  waiting(): number;
  /** Whether the pool still takes executions. */
  isAccepting(): boolean;
  /** A member may be free. */
  freedOne(): void;
}

/** An event without `wanted`, which every report has. */
type Report = PoolEvent extends infer Event ? (Event extends { wanted: number } ? Omit<Event, 'wanted'> : never) : never;

const isReady = ({ record }: Member): boolean => executesAtOnce(record.state);

export function createMembers({ options, grace, clock, startInstance, send, waiting, isAccepting, freedOne }: MembersDeps): Members {
  const { min, max, warm, idle, recycleAfter = Number.POSITIVE_INFINITY, maxConcurrency } = options;
  const all = new Map<string, Member>();
  const dispatcher = createDispatcher<Member>(maxConcurrency, isReady);
  const starting = new Set<AbortController>();
  let failure: SpearletError | null = null;
  let isStopping = false;
  /** How many executions the members that stay run together. */
  let running = 0;
  /** How many members the load needed at the last report to the chart. */
  let reported = Math.min(max, min + warm);
  /** The member that is being replaced, until it has ended: one at a time, so that a pool never has more than `max` + 1 programs. */
  let replaced: Member | null = null;

  const wanted = (more = 0): number => {
    const needed = Math.ceil((running + waiting() + more) / maxConcurrency);
    return Math.min(max, isAccepting() ? Math.max(min, needed + warm) : needed);
  };
  const report = (event: Report, now = wanted()): void => {
    reported = now;
    send({ ...event, wanted: now } as PoolEvent);
  };

  const replaceNext = (): void => {
    if (replaced !== null || isStopping || !isAccepting()) return;
    for (const member of all.values()) {
      if (member.executions < recycleAfter || member.isLeaving) continue;
      replaced = member;
      return report({ type: 'member.due', instanceId: member.record.id });
    }
  };

  const ended = (member: Member, message: string): void => {
    const { id: instanceId, artifactId, failure: cause } = member.record;
    all.delete(instanceId);
    dispatcher.withdraw(member);
    if (replaced === member) replaced = null;
    if (member.isLeaving) report({ type: 'member.ended', instanceId });
    else {
      running -= member.load;
      member.isLeaving = true;
      failure = new SpearletError('INSTANCE_STOPPED', `a member has ended: ${message}`, {
        ...{ instanceId, artifactId, cause: cause ?? undefined },
        hint: '`cause` has the reason: correct it, and open another pool.',
      });
      report({ type: 'member.lost', instanceId, code: failure.code, message });
    }
    replaceNext();
  };

  const joined = (record: InstanceRecord): void => {
    const place = { load: 0, offered: false, index: -1 };
    const member: Member = { ...place, record, executions: 0, idleSince: clock.now(), isLeaving: isStopping };
    all.set(record.id, member);
    void record.exited.promise.then(({ message }) => ended(member, message));
    if (isStopping) return record.stop(0);
    report({ type: 'member.ready', instanceId: record.id });
    // The state may have changed since: the dispatcher asks again before it gives an execution.
    record.state$.subscribe(state => {
      if (member.isLeaving || member.offered || !executesAtOnce(state)) return;
      dispatcher.offer(member);
      freedOne();
    });
  };

  const retire = (member: Member): void => {
    dispatcher.withdraw(member);
    member.isLeaving = true;
    running -= member.load;
    if (member.load === 0) member.record.stop(grace);
  };

  /** Members that are idle, the one that has been so for longest first. */
  const idleMembers = (): Member[] =>
    [...all.values()]
      .filter(member => member.load === 0 && !member.isLeaving && member !== replaced)
      .sort((a, b) => a.idleSince - b.idleSince);
  const surplus = (): number =>
    [...all.values()].filter(({ isLeaving }) => !isLeaving).length - (replaced?.isLeaving === false ? 1 : 0) - wanted();

  return {
    all,
    dispatcher,
    get failure() {
      return failure;
    },
    start() {
      const aborter = new AbortController();
      starting.add(aborter);
      startInstance(aborter.signal).then(
        record => {
          starting.delete(aborter);
          joined(record);
        },
        (error: SpearletError) => {
          starting.delete(aborter);
          failure = error;
          report({ type: 'member.failed', code: error.code, message: error.message });
        },
      );
    },
    retire(instanceId) {
      const member = all.get(instanceId);
      if (member !== undefined) retire(member);
    },
    retireIdle() {
      const until = clock.now() - idle;
      for (const member of idleMembers()) {
        if (member.idleSince > until || surplus() <= 0) return;
        retire(member);
        report({ type: 'member.retired', instanceId: member.record.id });
      }
    },
    untilIdle() {
      const [longest] = idleMembers();
      if (longest === undefined || surplus() <= 0) return idle;
      return Math.max(1, Math.ceil(longest.idleSince + idle - clock.now()));
    },
    stop(within) {
      isStopping = true;
      for (const aborter of starting) aborter.abort();
      for (const member of all.values()) {
        dispatcher.withdraw(member);
        member.isLeaving = true;
        member.record.stop(within);
      }
    },
    given(member) {
      running += 1;
      member.executions += 1;
      if (member.executions >= recycleAfter) replaceNext();
    },
    freed(member) {
      dispatcher.release(member);
      if (!member.isLeaving) running -= 1;
      if (member.load > 0) return;
      member.idleSince = clock.now();
      if (member.isLeaving && !isStopping && all.has(member.record.id)) member.record.stop(grace);
    },
    loadRose(more) {
      const now = wanted(more);
      if (now > reported) report({ type: 'load.rose' }, now);
    },
  };
}

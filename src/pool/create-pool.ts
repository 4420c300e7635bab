// Creates a pool: its chart as an actor of its own system, its members and its executions, and the handle for callers.
import { createActor } from 'xstate';
import type { PoolContext, PoolEvent, poolMachine } from '../../machines/pool.ts';
import type { PoolState } from '../../machines/public-types.ts';
import { reasonOf, SpearletError } from '../errors.ts';
import { call } from '../execution/call.ts';
import type { Execution } from '../execution/execution.ts';
import type { Instance } from '../instance/instance.ts';
import { instanceOptions } from '../instance/instance-options.ts';
import { deferred, type InstanceRecord } from '../instance/record.ts';
import { bounds } from '../limits.ts';
import { logged } from '../observe/isolated.ts';
import { explainPool, type PoolExplanation, type PoolFacts } from '../observe/pool-explanation.ts';
import type { Trace } from '../observe/trace.ts';
import type { ExecuteRequestInput, Logger, ParsedOptions, ParsedSpec } from '../option-schemas.ts';
import { parse } from '../parse.ts';
import { printable } from '../printable.ts';
import type { SpearletEvent } from '../supervisor/events.ts';
import type { Clock } from '../world/clock.ts';
import type { Deadlines } from '../world/deadlines.ts';
import { idFor, type Random } from '../world/random.ts';
import { createPoolExecutions } from './executions.ts';
import { createMembers, type Members } from './members.ts';
import { type ParsedPoolOptions, type PoolExecuteOptions, poolStopOptionsSchema } from './option-schemas.ts';
import { type Pool, poolStateOf } from './pool.ts';
import { wirePool } from './wiring.ts';

export interface PoolDeps {
  /** Every pool that has not ended. */
  readonly pools: Set<Pool>;
  readonly chart: typeof poolMachine;
  readonly options: ParsedOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  readonly logger: Logger;
  readonly trace: Trace;
  inspect(event: unknown): void;
  /** Rejects with SpearletError. */
  startInstance(spec: ParsedSpec, signal: AbortSignal): Promise<InstanceRecord>;
  instanceOf(record: InstanceRecord): Instance | undefined;
  /** Emits an event in a later turn. */
  emit(event: SpearletEvent): void;
}

export const createPools =
  (deps: PoolDeps) =>
  (spec: ParsedSpec, poolOptions: ParsedPoolOptions): Pool => {
    const pool = createPool(deps, spec, poolOptions, () => deps.pools.delete(pool));
    deps.pools.add(pool);
    return pool;
  };

function createPool(deps: PoolDeps, spec: ParsedSpec, poolOptions: ParsedPoolOptions, ended: () => void): Pool {
  const { clock, random, deadlines, trace, emit } = deps;
  const options = instanceOptions(deps.options, spec);
  const { artifactId } = spec;
  const { min, max, warm, maxConcurrency } = poolOptions;
  if (maxConcurrency > options.maxInFlight)
    throw new SpearletError(
      'INVALID_OPTIONS',
      `maxConcurrency is ${maxConcurrency}, and maxInFlight of an instance ${options.maxInFlight}`,
      {
        artifactId,
        hint: 'Raise `maxInFlight` of createSpearlet(), or lower `maxConcurrency`.',
      },
    );
  const poolId = idFor(`${artifactId}-pool`, random);
  const ids = { poolId, artifactId };
  const log = deps.logger.child(ids);
  const ready = deferred<void>();
  const stopped = deferred<void>();
  let state: PoolState = 'opening';
  /** How it has ended. */
  let last: PoolExplanation | null = null;
  /** The failure that has ended the pool. */
  let cause: SpearletError | null = null;

  const send = (event: PoolEvent): void => {
    if (actor.getSnapshot().status === 'active') actor.send(event);
  };
  const work = createPoolExecutions({
    ...ids,
    timeout: spec.timeout,
    queue: poolOptions.queue,
    maxQueuedBytes: options.maxQueuedBytes,
    deadlines,
    members: () => members,
    ended() {
      if (state === 'draining') send({ type: 'work.ended' });
    },
    subscriberThrew: logged(log, 'updates$'),
  });
  const members: Members = createMembers({
    options: poolOptions,
    grace: options.grace,
    clock,
    startInstance: signal => deps.startInstance(spec, signal),
    send,
    waiting: () => work.waiting,
    isAccepting: () => state === 'opening' || state === 'open',
    freedOne: () => work.dispatch(),
  });

  const end = (error: SpearletError): void => {
    ready.reject(error);
    work.close(cause);
    work.end();
  };
  const stoppedError = (): SpearletError => cause ?? new SpearletError('POOL_STOPPED', 'the pool was stopped', ids);
  const show = (now: PoolState): void => {
    if (now === state) return;
    state = now;
    log.info({ state, code: cause?.code }, 'pool state');
    emit({ type: 'pool.state', instanceId: null, ...ids, state });
  };

  const facts = (): PoolFacts => ({
    ...ids,
    state,
    members: [...members.all.values()].map(({ record, load, executions, isLeaving }) => ({
      instanceId: record.id,
      state: record.state,
      running: load,
      executions,
      leaving: isLeaving,
    })),
    waiting: work.waiting,
    running: work.running,
    failure: members.failure?.message ?? null,
  });
  const explain = (): PoolExplanation => explainPool(facts(), trace, clock, last);

  const running = wirePool(deps.chart, {
    random,
    options,
    members,
    announceOpen: () => ready.resolve(),
    closeIntake: () => {
      // The chart has left `open` when this is carried out, and hears of it only afterwards.
      show('draining');
      work.close(null);
    },
    adoptFailure: () => {
      cause = members.failure;
    },
    announceGivenUp({ failures }: PoolContext) {
      const code = 'RESTART_LIMIT';
      const message = `${failures + 1} members have failed within the restart period, and none is left; the last failure: ${cause?.message ?? 'unknown'}`;
      cause = new SpearletError(code, message, { ...ids, cause: cause ?? undefined });
      log.error({ code, reason: printable(message, bounds.quoted) }, 'pool given up: its members failed too often');
      emit({ type: 'pool.givenUp', instanceId: null, ...ids, code, message });
    },
    stopMembers(grace) {
      show('stopping');
      end(stoppedError());
      members.stop(grace);
    },
  });
  const actor = createActor(running, {
    id: poolId,
    input: { poolId, min, wanted: Math.min(max, min + warm), intensity: options.restart.intensity, grace: options.grace },
    clock: clock as never,
    inspect: deps.inspect,
  });
  actor.subscribe({
    next: ({ value }) => show(poolStateOf(value)),
    complete() {
      last = explain();
      trace.forget(poolId);
      ended();
      stopped.resolve();
    },
    error(error) {
      log.error({ error: printable(reasonOf(error), bounds.quoted) }, 'error inside spearlet: this is a defect, please report it');
      cause = new SpearletError('INTERNAL', `the pool failed inside spearlet: ${reasonOf(error)}`, { ...ids, cause: error });
      show('stopped');
      end(cause);
      members.stop(0);
      stopped.resolve();
    },
  });
  emit({ type: 'pool.state', instanceId: null, ...ids, state });
  actor.start();

  const stop: Pool['stop'] = async (stopOptions = {}) => {
    const { drain, grace = options.grace } = parse(poolStopOptionsSchema, stopOptions, 'stop()');
    send({ type: 'stop', drain, grace });
    await stopped.promise;
  };
  const execute: Pool['execute'] = (request: ExecuteRequestInput, executeOptions?: PoolExecuteOptions) =>
    work.execute(request, executeOptions) as Execution<unknown> as Execution<never>;
  return {
    id: poolId,
    artifactId,
    get state() {
      return state;
    },
    get members() {
      return [...members.all.values()].flatMap(({ record }) => deps.instanceOf(record) ?? []);
    },
    ready: ready.promise,
    // The outputs are texts or Buffers, as `encoding` says: the overloads of Pool have a type for each.
    execute,
    call: (name, argument, callOptions = {}) => call(execute, name, argument, callOptions),
    stats() {
      const { failure: _failure, ...now } = facts();
      return { ...now, ...work.counts, waitTime: work.waitTime(), runTime: work.runTime() };
    },
    explain,
    stop,
    [Symbol.asyncDispose]: () => stop({ drain: true }),
  };
}

// The public `createSpearlet`: checks options, creates the world, the registry and the supervisor, and starts and stops instances.
import { resolve } from 'node:path';
import { createActor } from 'xstate';
import { reasonOf, SpearletError, withCallerOf } from './errors.ts';
import { agentEnvironment } from './instance/agent-environment.ts';
import type { Instance } from './instance/instance.ts';
import { deferred, type InstanceRecord } from './instance/record.ts';
import type { World } from './instance/world.ts';
import { recordedSpawn } from './journal/ledger.ts';
import { type Cleanup, cleanUpStaleState } from './journal/stale-state.ts';
import { createExplain } from './observe/explain.ts';
import { isolated, logged } from './observe/isolated.ts';
import { createLogger, guarded, guardedInspect } from './observe/log.ts';
import { statsOf } from './observe/stats.ts';
import { createTrace } from './observe/trace.ts';
import { expectSchema, type ParsedSpec, spearletSchema, specSchema, startOptionsSchema, stopOptionsSchema } from './option-schemas.ts';
import type { StopOptions } from './options/instance.ts';
import type { SpearletOptions } from './options/spearlet.ts';
import { parse } from './parse.ts';
import { createPools } from './pool/create-pool.ts';
import { poolSchema } from './pool/option-schemas.ts';
import type { Pool } from './pool/pool.ts';
import { contain, uncontained } from './process/containment/containment.ts';
import { outerIds } from './process/environment.ts';
import { createPrograms, type Programs } from './process/programs.ts';
import { processTable } from './process/tree/proc-table.ts';
import type { Trees } from './process/tree/tree.ts';
import { createRun } from './run.ts';
import type { Spearlet } from './spearlet-types.ts';
import { createInstanceStarter } from './supervisor/create-instance.ts';
import { createRegistry } from './supervisor/registry.ts';
import { charts, wire } from './supervisor/wiring.ts';
import { realNetwork } from './transport/real.ts';
import { realClock } from './world/clock.ts';
import { createDeadlines } from './world/deadlines.ts';
import { realDisk } from './world/disk.ts';
import { onHostEnd } from './world/host-end.ts';
import { realRandom } from './world/random.ts';

/** How long stop() waits until the system has released the closed ports and programs, in ms. */
const RELEASE_TIMEOUT = 1_000;

/** Shared by all spearlets of this process; created with the first one. */
let programs: Programs | null = null;

/** For a host that exits in this turn: SIGKILL to all trees, without an event. */
function endPrograms(trees: Trees, records: Iterable<InstanceRecord>): void {
  const running = [...records].flatMap(({ run }) => run.program ?? []);
  trees.endSync(running.flatMap(({ tree }) => tree ?? []));
  for (const program of running) if (program.tree === null) program.signal('SIGKILL');
}

/**
 * Starts no instance. When it returns, it has begun to end the stale state of dead hosts in `stateDir`. Throws SpearletError:
 * INVALID_OPTIONS with all issues, or STATE_UNWRITABLE where `stateDir` cannot be used.
 */
export function createSpearlet(input: SpearletOptions = {}): Spearlet {
  programs ??= createPrograms(processTable, realClock);
  const state = { disk: realDisk, processTable, trees: programs.trees };
  const world = { clock: realClock, random: realRandom, programs, network: realNetwork, state, onHostEnd };
  return createSpearletIn({ ...world, environment: process.env, workingDirectory: process.cwd() }, input);
}

/**
 * The same in a given world and with given charts, for tests.
 * @internal
 */
export function createSpearletIn(given: World, input: SpearletOptions, running = charts): Spearlet {
  const options = parse(spearletSchema, input, 'options');
  const { clock, random } = given;
  const logger = guarded(createLogger(options.logger));
  const deadlines = createDeadlines(clock);
  const handles = new Map<string, Instance>();
  const registry = createRegistry(clock, logger, record => handles.get(record.id)!);
  const { stateDir } = options;
  const cleanup: Cleanup | null =
    stateDir === undefined || given.state === undefined
      ? null
      : cleanUpStaleState({
          ...given.state,
          logger,
          folder: resolve(given.workingDirectory, stateDir),
          id: random.id(),
          notify: event => registry.notify(() => registry.events$.next(event)),
        });
  const ledger = cleanup?.ledger ?? null;
  const world = ledger === null ? given : { ...given, programs: { ...given.programs, spawn: recordedSpawn(given.programs.spawn, ledger) } };
  const trace = createTrace(clock, (instanceId, connectionActorId) => {
    const connections = instanceId === null ? registry.unroutedConnections : registry.records.get(instanceId)?.connections;
    return connections?.get(connectionActorId)?.connectionId;
  });
  const inspect = guardedInspect(trace as never, ...(options.inspect === undefined ? [] : [options.inspect]));
  const supervisor = createActor(wire(world, options, registry, running), {
    id: 'supervisor',
    input: { maxConcurrentStarts: options.maxConcurrentStarts },
    clock: clock as never,
    inspect,
  });
  const stopped = deferred<void>();
  let stopping = false;
  supervisor.subscribe({
    complete() {
      deadlines.close();
      registry.notify(() => registry.events$.complete());
      stopped.resolve();
    },
    error(error) {
      logger.error({ error: reasonOf(error) }, 'the supervisor failed: this is a defect of spearlet, please report it');
      for (const record of registry.records.values()) registry.abandoned(record, error);
      deadlines.close();
      stopped.resolve();
    },
  });
  supervisor.start();

  const explained = createExplain({ registry, trace, clock, queue: () => supervisor.getSnapshot().context });
  const begin = createInstanceStarter({
    options,
    clock,
    random,
    registry,
    deadlines,
    logger,
    supervisor,
    handles,
    remember: explained.remember,
  });

  const pools = new Set<Pool>();
  const openPool = createPools({
    ...{ chart: running.pool, options, clock, random, deadlines, logger, trace, inspect, pools },
    startInstance: (spec, signal) => start(spec, signal),
    instanceOf: record => handles.get(record.id),
    emit: event => registry.notify(() => registry.events$.next(event)),
  });

  const stop = async (stopOptions: StopOptions = {}): Promise<void> => {
    const { grace } = parse(stopOptionsSchema, stopOptions, 'stop()');
    stopping = true;
    // Before their members end: a pool would start others.
    const pooled = [...pools].map(pool => pool.stop(grace === undefined ? {} : { grace }));
    // No instance starts before the stale state is ended, and `leftovers.ended` comes before `events$` completes.
    if (cleanup?.ended) await cleanup.ended;
    if (supervisor.getSnapshot().status === 'active') supervisor.send({ type: 'stop', grace: grace ?? null });
    await Promise.all([stopped.promise, ...pooled]);
    // A program that SIGKILL does not end must not block stop() for ever.
    const late = deferred<void>();
    const timer = clock.setTimeout(late.resolve, RELEASE_TIMEOUT);
    await Promise.race([Promise.allSettled(registry.closing), late.promise]);
    clock.clearTimeout(timer);
    ledger?.close();
    unwatchHost?.();
  };

  let unwatchHost: (() => void) | null = null;
  /** From the first start on: a host that starts nothing keeps its signals as they are. */
  const watchHost = (): void => {
    if (!options.endWithHost || unwatchHost !== null || given.onHostEnd === undefined) return;
    unwatchHost = given.onHostEnd({
      exits: () => endPrograms(world.programs.trees, registry.records.values()),
      signalled: again => stop(again ? { grace: 0 } : {}),
    });
  };

  const start = async (spec: ParsedSpec, signal: AbortSignal | undefined): Promise<InstanceRecord> => {
    const { artifactId } = spec;
    // The instance starts in a later turn than the call, so a caller that subscribes to events$ now gets all events.
    const containing = contain(spec, world.programs, world.environment);
    const settled = containing.then(() => {}).catch(() => {});
    registry.closing.add(settled);
    void settled.finally(() => registry.closing.delete(settled));
    const contained = await containing;
    // Programs of dead hosts may hold ports or files that this one needs.
    if (cleanup?.ended) await cleanup.ended;
    if (stopping) throw new SpearletError('STOPPED', 'the spearlet is stopped and starts no more instances', { artifactId });
    const aborted = new SpearletError('CANCELLED', `the start of ${artifactId} was aborted`, { artifactId, cause: signal?.reason });
    if (signal?.aborted) throw aborted;
    watchHost();
    const record = begin(spec, spec, contained);
    const abort = (): void => {
      record.ready.reject(aborted);
      if (!record.wasReady) record.stop(0);
    };
    signal?.addEventListener('abort', abort, { once: true });
    // A logger or an inspector may have aborted it during begin().
    if (signal?.aborted) abort();
    try {
      await record.ready.promise;
      return record;
    } catch (error) {
      // The start has failed. The caller learns of it when nothing of the instance is left.
      await record.exited.promise;
      throw withCallerOf(error, start);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };

  const spearlet: Spearlet = {
    get instances() {
      return [...handles.values()];
    },
    get: instanceId => handles.get(instanceId),
    events$: isolated(registry.events$, logged(logger, 'events$')),
    async start(specInput, startOptions = {}) {
      const spec = parse(specSchema, specInput, 'spec');
      const { signal } = parse(startOptionsSchema, startOptions, 'start() options');
      const record = await start(spec, signal);
      return record.ready.promise;
    },
    run: createRun((spec, startOptions) => spearlet.start(spec, startOptions)),
    pool(specInput, poolInput = {}) {
      const spec = parse(specSchema, specInput, 'spec');
      const poolOptions = parse(poolSchema, poolInput, 'pool() options');
      if (stopping) throw new SpearletError('STOPPED', 'the spearlet is stopped and opens no more pools', { artifactId: spec.artifactId });
      return openPool(spec, poolOptions);
    },
    expect(expectSpec) {
      const expected = parse(expectSchema, expectSpec, 'expect()');
      const { artifactId } = expected;
      if (stopping) throw new SpearletError('STOPPED', 'the spearlet is stopped and expects no more agents', { artifactId });
      const record = begin(expected, null, uncontained);
      if (record.address === null)
        throw record.failure ?? new SpearletError('LISTEN_FAILED', 'the listener could not be opened', { artifactId });
      return {
        id: record.id,
        environment: { ...outerIds(world.environment), ...agentEnvironment(record, options) },
        ready: record.ready.promise,
        stop: stopOptions => handles.get(record.id)?.stop(stopOptions) ?? record.exited.promise,
      };
    },
    stats: () => statsOf(registry, clock),
    explain: explained.explain,
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
  return spearlet;
}

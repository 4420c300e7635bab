// The façade: options in, instances out. It makes the world, the charts' root and the records, and hides them.
import { BehaviorSubject, type Observable } from 'rxjs';
import { type AnyActorRef, createActor } from 'xstate';
import { SpearletError } from './errors.ts';
import { createLogger } from './observe/log.ts';
import {
  bounds,
  type ExpectSpec,
  expectSchema,
  type InstanceSpec,
  type ParsedSpec,
  type SpearletOptions,
  type StartOptions,
  type StopOptions,
  spearletSchema,
  specSchema,
  startOptionsSchema,
  stopOptionsSchema,
} from './options.ts';
import { parse } from './parse.ts';
import { createOutput } from './process/output.ts';
import { spawnProgram } from './process/spawn.ts';
import { createCalls } from './runtime/calls.ts';
import { createDeadlines } from './runtime/deadlines.ts';
import { createEngine, type SpearletEvent } from './runtime/engine.ts';
import { createInstance, type ExitReport, type Instance, type InstanceState, stateOf } from './runtime/instance.ts';
import { type InstanceRecord, waiting } from './runtime/record.ts';
import { type Stats, statsOf } from './runtime/stats.ts';
import { wire } from './runtime/wiring.ts';
import { createPorts } from './transport/ports.ts';
import { tcp } from './transport/tcp.ts';
import { realChance, realClock } from './world.ts';

/** A program that failed by itself is given this long between SIGTERM and SIGKILL, in ms. */
const FAULT_GRACE = 400;
/** How long stop() waits for the system to let go of ports and programs that are closed already, in ms. */
const LET_GO = 1_000;

export interface Spearlet {
  /** Every instance that is not yet stopped. */
  readonly instances: readonly Instance[];
  get(instanceId: string): Instance | undefined;
  readonly events$: Observable<SpearletEvent>;
  /** Starts a program as an agent. Resolves when it is ready; rejects with SpearletError, and the instance is then stopped. */
  start(spec: InstanceSpec, options?: StartOptions): Promise<Instance>;
  /** Waits for a program that somebody else starts: whoever gets `environment` may connect. Throws PORTS_EXHAUSTED. */
  expect(spec: ExpectSpec): Expected;
  /** What has gone through, by instance and connection; an instance is in it until it is stopped. */
  stats(): Stats;
  /** Stops every instance. Afterwards no process, port, timer or handle of it is left. */
  stop(options?: StopOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Expected {
  readonly id: string;
  /** SPEARLET_ADDR, SPEARLET_TOKEN and SPEARLET_INSTANCE_ID: the one place that hands out a token. */
  readonly environment: Readonly<Record<'SPEARLET_ADDR' | 'SPEARLET_TOKEN' | 'SPEARLET_INSTANCE_ID', string>>;
  /** Rejects with CONNECT_TIMEOUT where nobody has come within `connectTimeout`. */
  readonly ready: Promise<Instance>;
  /** Expects nobody any more, or ends the session. */
  stop(options?: StopOptions): Promise<ExitReport>;
}

/** Throws SpearletError INVALID_OPTIONS with every issue at once. Starts nothing yet. */
export function createSpearlet(input: SpearletOptions = {}): Spearlet {
  const options = parse(spearletSchema, input, 'options');
  const logger = createLogger(options.logger);
  const deadlines = createDeadlines(realClock);
  const handles = new Map<string, Instance>();
  const engine = createEngine(realClock, logger, record => handles.get(record.id)!);
  const world = {
    clock: realClock,
    chance: realChance,
    spawn: spawnProgram,
    ports: createPorts(tcp, options.host, options.ports),
    environment: process.env,
    workingDirectory: process.cwd(),
  };
  const supervisor = createActor(wire(world, options, engine), {
    id: 'supervisor',
    input: { maxConcurrentStarts: options.maxConcurrentStarts },
    clock: realClock as never,
    ...(options.inspect === undefined ? {} : { inspect: options.inspect as never }),
  });
  const stopped = waiting<void>();
  let stopping = false;
  supervisor.subscribe({
    complete() {
      deadlines.close();
      engine.events$.complete();
      stopped.resolve();
    },
    error(error) {
      logger.error({ error: String(error) }, 'the supervisor failed: this is a defect of spearlet, please report it');
      for (const record of engine.records.values()) engine.abandoned(record, error);
      deadlines.close();
      stopped.resolve();
    },
  });
  supervisor.start();

  const createRecord = (artifactId: string, spec: ParsedSpec | null, timeout = spec?.timeout): InstanceRecord => {
    const id = `${artifactId.replaceAll(/[^\w.-]/g, '-')}-${realChance.id().slice(0, 8)}`;
    const place = engine.places.take();
    const followers: InstanceRecord['followers'] = new Set();
    let actor: AnyActorRef | undefined;
    let stopEarly: number | null = null;
    const record: InstanceRecord = {
      id,
      artifactId,
      place,
      spec,
      calls: createCalls({
        instanceId: id,
        artifactId,
        timeout,
        options,
        deadlines,
        reconnectWindow: options.reconnectWindow,
        work: happened => actor?.send({ type: `work.${happened}` }),
      }),
      log: logger.child({ instanceId: id, artifactId }),
      state$: new BehaviorSubject<InstanceState>('allocating'),
      ready: waiting<Instance>(),
      exited: waiting<ExitReport>(),
      peers: new Map(),
      followers,
      token: '',
      output: createOutput(bounds.keptOutput, followers),
      address: null,
      pid: null,
      incarnation: 0,
      spawnedAt: null,
      wasReady: false,
      sessions: 0,
      refused: 0,
      report: null,
      failure: null,
      held: new Set(),
      stop(grace) {
        record.calls.close('it was stopped', undefined);
        if (actor === undefined) stopEarly = grace;
        else actor.send({ type: 'stop', grace });
      },
    };
    engine.records.set(id, record);
    engine.events$.next({ type: 'instance.state', instanceId: id, artifactId, state: 'allocating', incarnation: 1 });
    handles.set(id, createInstance(record, options.grace));
    supervisor.send({
      type: 'start',
      instance: {
        instanceId: id,
        place,
        external: spec === null,
        restart: spec?.restart ?? 'temporary',
        intensity: options.restart.intensity,
        misses: options.heartbeat.misses,
        grace: Math.min(options.grace, FAULT_GRACE),
      },
    });
    actor = (supervisor.getSnapshot().children as Record<string, AnyActorRef>)[place];
    const show = (value: unknown): void => {
      const state = stateOf(value);
      if (state === record.state$.value) return;
      record.state$.next(state);
      record.log.debug({ state }, 'state');
      engine.events$.next({ type: 'instance.state', instanceId: id, artifactId, state, incarnation: record.incarnation });
    };
    const forget = (): void => {
      engine.records.delete(id);
      handles.delete(id);
      show('stopped');
      record.state$.complete();
    };
    // Most of a start has happened by now, and where it failed, all of it.
    if (actor === undefined) forget();
    else {
      show(actor.getSnapshot().value);
      actor.subscribe({ next: snapshot => show(snapshot.value), complete: forget, error: forget });
      if (stopEarly !== null) actor.send({ type: 'stop', grace: stopEarly });
    }
    return record;
  };

  const stop = async (stopOptions: StopOptions = {}): Promise<void> => {
    const { grace = options.grace } = parse(stopOptionsSchema, stopOptions, 'stop()');
    stopping = true;
    if (supervisor.getSnapshot().status === 'active') supervisor.send({ type: 'stop', grace });
    await stopped.promise;
    // A program that even SIGKILL does not end must not keep us for ever.
    const late = waiting<void>();
    const timer = realClock.setTimeout(late.resolve, LET_GO);
    await Promise.race([Promise.allSettled(engine.closing), late.promise]);
    realClock.clearTimeout(timer);
  };

  return {
    get instances() {
      return [...handles.values()];
    },
    get: instanceId => handles.get(instanceId),
    events$: engine.events$.asObservable(),
    async start(specInput, startOptions = {}) {
      const spec = parse(specSchema, specInput, 'spec');
      const { signal } = parse(startOptionsSchema, startOptions, 'start() options');
      // Whoever subscribes to events$ in the turn of the call sees all of it.
      await null;
      if (stopping) throw new SpearletError('STOPPED', 'the spearlet is stopped: it starts nothing more', { artifactId: spec.artifactId });
      const aborted = new SpearletError('CANCELLED', `the start of ${spec.artifactId} was aborted`, {
        artifactId: spec.artifactId,
        cause: signal?.reason,
      });
      if (signal?.aborted) throw aborted;
      const record = createRecord(spec.artifactId, spec);
      const abort = (): void => {
        record.ready.reject(aborted);
        if (!record.wasReady) record.stop(0);
      };
      signal?.addEventListener('abort', abort, { once: true });
      try {
        return await record.ready.promise;
      } catch (error) {
        // It failed; nothing of it may be left when the caller learns of it.
        await record.exited.promise;
        throw error;
      } finally {
        signal?.removeEventListener('abort', abort);
      }
    },
    expect(expectSpec) {
      const { artifactId, timeout } = parse(expectSchema, expectSpec, 'expect()');
      if (stopping) throw new SpearletError('STOPPED', 'the spearlet is stopped: it expects nobody', { artifactId });
      const record = createRecord(artifactId, null, timeout);
      const { id, address, token } = record;
      if (address === null) throw record.failure ?? new SpearletError('LISTEN_FAILED', 'the listener could not be opened', { artifactId });
      return {
        id,
        environment: { SPEARLET_ADDR: address, SPEARLET_TOKEN: token, SPEARLET_INSTANCE_ID: id },
        ready: record.ready.promise,
        stop: stopOptions => handles.get(id)?.stop(stopOptions) ?? record.exited.promise,
      };
    },
    stats: () => statsOf(engine, realClock),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

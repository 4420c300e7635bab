// One story of handshakes on the simulated network and clock: the whole host with its charts, and agents with the session of the
// SDK. The seed draws the faults of the first connections; later ones have none.

import { openSession, type Session } from '../../src/agent/session.ts';
import type { SessionWorld } from '../../src/agent/world.ts';
import type { AgentChannel } from '../../src/connection/channel.ts';
import { createPrograms } from '../../src/process/programs.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { createSpearletIn } from '../../src/spearlet.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { createMemoryNetwork, type Link } from '../../src/transport/memory.ts';
import { realClock } from '../../src/world/clock.ts';
import { handClock } from '../world/clock.ts';
import { applyFault, drawFault, type Fault } from '../world/faults.ts';
import { seededRandom } from '../world/random.ts';

const programs = createPrograms(processTable, realClock);

/** About what one direction carries until the session is confirmed, in bytes. */
const HANDSHAKE_BYTES = 2_500;
/** In a healed network an agent has a session after this time, in ms: an unanswered attempt, a retry and a probe take less. */
const PROMPT = 20_000;
const HEARTBEAT = { interval: 2_000, misses: 2 };
/** Longer than any agent takes, in ms. */
const LIMIT = 120_000;
/** The faults end within this time, in ms. */
const HEALED_WITHIN = 20_000;
/** Longer than an agent tries, in ms. */
const RECONNECT_WINDOW = 60_000;
const FOREVER = 2 ** 31 - 1;

export interface Story {
  /** What went wrong. Null: nothing. */
  readonly finding: string | null;
  readonly faults: readonly Fault[];
  readonly restarts: number;
  readonly sessions: number;
  /** What has happened, with the time in ms. */
  readonly log: readonly string[];
  /** How long the agent took for its last session once the network was healed, in ms. */
  readonly took: number;
}

interface Program {
  readonly ended: string | null;
  readonly serving: boolean;
  readonly opened: number;
  kill(): void;
}

/** A program whose handler answers every request with `done`. */
function start(endpoint: Parameters<typeof openSession>[0], world: SessionWorld, say: (what: string) => void): Program {
  let channel: AgentChannel | null = null;
  const state = { ended: null as string | null, opened: 0 };
  const session: Session = openSession(
    endpoint,
    {
      opened(link) {
        say('opened');
        state.opened += 1;
        channel = link;
      },
      closed() {
        say('closed');
        channel = null;
      },
      writable() {},
      request(requestId, { taskId }) {
        const answer = channel!.codec.executeResponse(requestId, { taskId, status: 'Completed', output: 'done', error: null, exitCode: 0 });
        channel!.queue.add(answer);
      },
      window() {},
      cancel() {},
      signal() {},
      draining: () => session.dispatch('drained'),
      ended(error) {
        state.ended = error?.code ?? 'in order';
        say(`ended: ${state.ended}`);
      },
    },
    world,
  );
  return {
    get ended() {
      return state.ended;
    },
    get serving() {
      return channel !== null;
    },
    get opened() {
      return state.opened;
    },
    kill: () => session.dispatch('host.gone'),
  };
}

export async function tell(seed: number): Promise<Story> {
  const random = seededRandom(seed);
  const clock = handClock();
  const upTo = (count: number): number => Math.floor(random.fraction() * count);
  const faults: Fault[] = Array.from({ length: upTo(6) }, () => drawFault(random, HANDSHAKE_BYTES));
  const resets = Array.from({ length: upTo(4) }, () => upTo(HEALED_WITHIN));
  const deaths = Array.from({ length: upTo(3) }, () => upTo(HEALED_WITHIN));
  const protocols = ([[1, 2], [1, 2], [2], [1]] as const)[upTo(4)]!;
  const listener = random.fraction() < 0.5 ? 'perInstance' : 'shared';
  const rogue = (['token', 'instance', 'none', 'none', 'none', 'none'] as const)[upTo(6)]!;

  const log: string[] = [];
  const say = (what: string): void => void log.push(`${Math.round(clock.now())} ${what}`);
  let finding: string | null = null;
  const note = (what: string): void => void (finding ??= `${what}, at ${clock.now()} ms`);

  const silent: Link[] = [];
  let latest: Link | null = null;
  let dialled = 0;
  let healsAt = 0;
  clock.setTimeout(() => {
    say('healed');
    healsAt = clock.now();
    for (const link of silent)
      for (const direction of ['toListener', 'toDialler'] as const) link.silence(direction, Number.POSITIVE_INFINITY);
  }, upTo(HEALED_WITHIN));
  const isHealed = (): boolean => healsAt > 0;
  const network = createMemoryNetwork({
    clock,
    random,
    dialled(link) {
      latest = link;
      const fault = faults[dialled];
      say(`dialled${isHealed() || fault === undefined ? '' : `: ${JSON.stringify(fault)}`}`);
      dialled += 1;
      if (isHealed() || fault === undefined) return;
      applyFault(link, fault);
      if (fault.kind === 'silent' || fault.kind === 'dead') silent.push(link);
    },
  });
  const spearlet = createSpearletIn(
    { clock, random, programs, network, environment: {}, workingDirectory: '/' },
    {
      logger: false,
      ports: 0,
      listener,
      protocols: [...protocols],
      heartbeat: HEARTBEAT,
      authTimeout: 5_000,
      connectTimeout: FOREVER,
      reconnectWindow: RECONNECT_WINDOW,
    },
  );
  /** The connections with an open session, by the events. */
  const open = new Set<string>();
  let sessions = 0;
  spearlet.events$.subscribe(event => {
    if ('connectionId' in event) say(`${event.type} ${event.connectionId} ${'message' in event ? event.message : ''}`);
    if (event.type === 'connection.closed') open.delete(event.connectionId);
    if (event.type !== 'connection.opened') return;
    open.add(event.connectionId);
    sessions += 1;
    if (open.size > 1) note('two sessions');
  });
  const expected = spearlet.expect({ artifactId: 'simulated' });
  expected.ready.catch(() => {});
  const { SPEARLET_ADDR, SPEARLET_TOKEN: token, SPEARLET_INSTANCE_ID: instanceId } = expected.environment;
  const endpoint = {
    address: parseAddress(SPEARLET_ADDR),
    token,
    instanceId,
    protocols: [...protocols],
    silence: 30_000,
    giveUp: 30_000,
    maxFrameBytes: 2 ** 20,
  };
  const nonce = (): string => Buffer.from(random.token(), 'latin1').toString('hex').slice(0, 64);
  const world: SessionWorld = { clock, network, fraction: random.fraction, nonce };

  const settle = (): Promise<void> => new Promise(done => setImmediate(done));

  let restarts = 0;
  let agent = start(endpoint, world, what => say(`agent ${restarts + 1}: ${what}`));
  const impostor =
    rogue === 'none'
      ? null
      : start(rogue === 'token' ? { ...endpoint, token: random.token() } : { ...endpoint, instanceId: 'nobody' }, world, what =>
          say(`impostor: ${what}`),
        );
  const restart = (): void => {
    restarts += 1;
    agent.kill();
    agent = start(endpoint, world, what => say(`agent ${restarts + 1}: ${what}`));
  };
  for (const at of deaths) clock.setTimeout(restart, at);
  for (const at of resets) clock.setTimeout(() => latest?.reset(), at);

  /** Runs the world until it is so, or for so long. */
  const run = async (ms: number, isSo: () => boolean): Promise<boolean> => {
    const until = clock.now() + ms;
    while (!isSo()) {
      if (finding !== null || clock.now() > until || clock.step() === null) return false;
      await new Promise<void>(done => process.nextTick(done));
      if ((impostor?.opened ?? 0) > 0) note(`a session for a wrong ${rogue}`);
      if (agent.ended === 'AUTH_REFUSED' || agent.ended === 'VERSION_MISMATCH') note(`a genuine agent was refused: ${agent.ended}`);
      else if (agent.ended !== null && isHealed() && clock.now() - healsAt > PROMPT)
        note('a genuine agent found no session in a healed network');
      else if (agent.ended !== null) restart();
    }
    return true;
  };
  const isUp = () => agent.serving && open.size === 1;

  await run(HEALED_WITHIN, isHealed);
  let took = 0;
  // Both ends have a session at last: an execution that is sent on it completes, unless its link is lost once more.
  for (let outcome: string | null = null; outcome !== 'done' && finding === null; ) {
    if (!(await run(LIMIT, isUp))) {
      note(`a wedge: no session ${LIMIT / 1000} s after the network was healed`);
      break;
    }
    took = clock.now() - healsAt;
    outcome = null;
    const began = sessions;
    const instance = await expected.ready;
    instance.execute({ command: 'work' }).result.then(
      ({ output }) => (outcome = output),
      (error: { code: string }) => (outcome = error.code),
    );
    if (!(await run(LIMIT, () => outcome !== null || sessions > began || !agent.serving))) note('an execution did not end');
    else if (outcome !== null && outcome !== 'done' && outcome !== 'OUTCOME_UNKNOWN') note(`an execution ended with ${outcome}`);
  }
  const live = spearlet.stats().instances.flatMap(({ connections }) => connections.filter(({ session }) => session));
  if (finding === null && live.length !== 1) note(`${live.length} live sessions`);

  let stopped = false;
  const stopping = spearlet.stop({ grace: 100 }).finally(() => (stopped = true));
  agent.kill();
  impostor?.kill();
  for (let turns = 0; !stopped && turns < 10_000; turns += 1) {
    if (clock.step() === null) await settle();
    else await new Promise<void>(done => process.nextTick(done));
  }
  if (!stopped) note('stop() did not resolve');
  else await stopping;
  return { finding, log, faults, restarts, sessions, took };
}

// One story of a session of wire v2 on the simulated network and clock: the whole host with its charts, and an agent of the SDK with
// its handlers. Both live to the end of the story; their connections break again and again. The judge: nothing is lost, repeated or
// executed twice, and nothing hangs.
import { connectHandlers } from '../../src/agent/serve.ts';
import type { AgentWorld } from '../../src/agent/world.ts';
import type { Instance } from '../../src/index.ts';
import { createPrograms } from '../../src/process/programs.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { createSpearletIn } from '../../src/spearlet.ts';
import { parseAddress } from '../../src/transport/address.ts';
import { createMemoryNetwork } from '../../src/transport/memory.ts';
import { realClock } from '../../src/world/clock.ts';
import { handClock } from '../world/clock.ts';
import { seededRandom } from '../world/random.ts';
import { createBreaks } from './dialogue-breaks.ts';
import { type Dialogue, drawDialogue, runDialogue } from './dialogue-executions.ts';
import { createHandler } from './dialogue-work.ts';

const programs = createPrograms(processTable, realClock);

const HEARTBEAT = { interval: 3_000, misses: 2 };
/** Longer than any story takes, in ms. */
const LIMIT = 600_000;
/** Longer than silence lasts until the host notices it, in ms: a cancel may wait for so long. */
const GRACE = 60_000;
const FOREVER = 2 ** 31 - 1;
/** Longer than an agent that lives goes without a session, in ms. */
const RECONNECT_WINDOW = 120_000;
/** More than the requests of a dialogue take together, in bytes. */
const MAX_QUEUED = 14 * 2 ** 20;
const LARGE = 6 * 2 ** 20;
/** More than the bytes and messages behind which either end acknowledges, in bytes. */
const MAX_UNACKNOWLEDGED = 160 * 1024;
/** Requests that are cancelled when a part of them is sent: one more than an agent keeps beginnings. */
const PARTIAL = 5;
/** The share of stories whose connections break all the time, and of those whose messages are large. */
const DENSE = 0.6;
const HEAVY = 0.2;
/** One of so many stories sends more than that in the end. */
const THOROUGH = 20;

export interface Story {
  /** What went wrong. Null: nothing. */
  readonly finding: string | null;
  /** What has happened, with the time in ms. */
  readonly log: readonly string[];
  readonly executions: number;
  readonly cuts: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Bytes of running output that readers got. */
  readonly readBytes: number;
}

/** The same seed tells the same story. A log takes time. */
export async function tell(seed: number, withLog = false): Promise<Story> {
  const random = seededRandom(seed);
  const clock = handClock();
  const log: string[] = [];
  const say = (what: string, details?: object): void => {
    if (withLog) log.push(`${Math.round(clock.now())} ${what}${details === undefined ? '' : `: ${JSON.stringify(details)}`}`);
  };
  let finding: string | null = null;
  const note = (what: string): void => void (finding ??= `${what}, at ${clock.now()} ms`);
  /** Ends of connections other than by silence. */
  let closedByAgent = 0;
  /** Timers of the story itself. */
  let own = 0;
  const after = (ms: number, run: () => void): void => {
    own += 1;
    clock.setTimeout(() => {
      own -= 1;
      run();
    }, ms);
  };
  const sleep = (ms: number): Promise<void> => new Promise(resolve => after(ms, resolve));

  const drawn = random.fraction();
  const density = drawn < DENSE ? 'dense' : drawn < DENSE + HEAVY ? 'heavy' : 'wide';
  const breaks = createBreaks(density, { clock, after, random, say, isBusy: () => told.unsettled + running.size > 0, wrong: note });
  const network = createMemoryNetwork({
    clock,
    random,
    maxDelay: random.fraction() < 0.5 ? 0.1 : 1,
    maxWindow: density === 'dense' && random.fraction() < 0.5 ? 2_000 : 65_536,
    dialled: breaks.dialled,
  });
  const spearlet = createSpearletIn(
    { clock, random, programs, network, environment: {}, workingDirectory: '/' },
    {
      logger: false,
      ports: 0,
      protocols: [2],
      heartbeat: HEARTBEAT,
      grace: GRACE,
      connectTimeout: FOREVER,
      maxQueuedBytes: MAX_QUEUED,
      reconnectWindow: RECONNECT_WINDOW,
    },
  );
  spearlet.events$.subscribe(event => {
    say(`${event.type}${'message' in event ? ` ${event.message}` : ''}`);
    if (event.type === 'connection.opened') breaks.opened();
    // On a slow network a heartbeat may be late.
    if (event.type === 'connection.closed' && event.code !== 'HEARTBEAT_LOST') closedByAgent += 1;
    if (event.type === 'instance.unresponsive') note('an agent that lives was called unresponsive');
    if (event.type === 'connection.closed' && (event.code === 'PROTOCOL_ERROR' || event.code === 'FRAME_TOO_LARGE'))
      if (!event.message.startsWith('closed in the middle of a frame')) note(`a connection ended with ${event.code}: ${event.message}`);
  });
  const expected = spearlet.expect({ artifactId: 'simulated' });
  const { SPEARLET_ADDR, SPEARLET_TOKEN: token, SPEARLET_INSTANCE_ID: instanceId } = expected.environment;
  const endpoint = {
    address: parseAddress(SPEARLET_ADDR),
    token,
    instanceId,
    protocols: [2],
    silence: 30_000,
    giveUp: 30_000,
    maxFrameBytes: 2 ** 25,
  };
  const world: AgentWorld = {
    clock,
    network,
    fraction: random.fraction,
    nonce: () => Buffer.from(random.token(), 'latin1').toString('hex').slice(0, 64),
    defer: run => void clock.setTimeout(run, 0),
  };

  const dialogue: Dialogue = drawDialogue(density, random);
  const running = new Set<string>();
  const calls = new Map<string, number>();
  const told = runDialogue(dialogue, { clock, after, random, sleep, say, wrong: note, calls });
  let ended: string | null = null;
  const agent = connectHandlers(
    endpoint,
    createHandler(
      {
        began(taskId) {
          calls.set(taskId, (calls.get(taskId) ?? 0) + 1);
          if (calls.get(taskId)! > 1) note(`${taskId} was executed twice`);
          running.add(taskId);
        },
        given: told.given,
        ended: taskId => void running.delete(taskId),
        wrong: note,
      },
      sleep,
    ),
    {
      signal: told.signalled,
      ended(error) {
        ended = error?.code ?? 'in order';
        say(`the agent has ended: ${ended}`);
      },
    },
    world,
  );

  const turn = (): Promise<void> => new Promise(done => process.nextTick(done));
  const run = async (isSo: () => boolean): Promise<boolean> => {
    const until = clock.now() + LIMIT;
    while (!isSo()) {
      if (finding !== null || clock.now() > until || clock.step() === null) return false;
      await turn();
      if (ended !== null) note(`the agent has ended: ${ended}`);
    }
    return true;
  };

  let instance: Instance | null = null;
  expected.ready.then(
    ready => {
      instance = ready;
      told.begin(ready);
    },
    (error: Error) => note(`no instance: ${error.message}`),
  );
  if (!(await run(() => told.isOver)) && finding === null) note(`it hangs: ${told.describe()}`);
  breaks.heal();
  // What was cancelled ends at the agent as well, and one more execution completes.
  if (!(await run(() => running.size === 0)) && finding === null) note(`the agent still executes ${[...running].join()}`);
  if (finding === null) {
    const count = () => spearlet.stats().instances[0]!;
    const complete = async (bytes: number): Promise<void> => {
      let outcome: string | null = null;
      instance!.execute({ command: 'size', input: Buffer.alloc(bytes) }).result.then(
        ({ output }) => (outcome = output),
        (error: { code: string }) => (outcome = error.code),
      );
      if (!(await run(() => outcome !== null)) && finding === null) note('the last execution hangs');
      else if (outcome !== String(bytes)) note(`the last execution ended with ${outcome}`);
    };
    // More than may be unacknowledged, in one story of many.
    for (const bytes of seed % THOROUGH === 0 ? [LARGE, LARGE, LARGE, 0] : [0]) await complete(bytes);
    // The agent forgets the beginnings of requests: else it would end the connection at another large one.
    if (density === 'wide') {
      const before = closedByAgent;
      for (let n = 0; n < PARTIAL && finding === null; n += 1) {
        const execution = instance!.execute({ command: 'size', input: Buffer.alloc(LARGE) });
        const { bytesSent } = count().connections.find(({ session }) => session)!;
        await run(() => count().connections.some(({ session, bytesSent: sent }) => session && sent > bytesSent + 1_000));
        execution.cancel('as planned');
      }
      await complete(LARGE);
      if (closedByAgent > before) note('the agent has closed a connection that nothing has cut');
    }
    // The next connection carries again what is not acknowledged, and one more execution behind it.
    breaks.reset();
    await complete(0);
    const connection = count().connections.find(({ session }) => session);
    const again = Math.max(connection?.bytesSent ?? 0, connection?.bytesReceived ?? 0);
    if (again > MAX_UNACKNOWLEDGED) note(`${again} bytes were sent again that had arrived long ago`);
    // Signals are in order behind the request of the last execution.
    told.judge();
    const { inFlight, unanswered, foreignAnswers, lateAnswers } = count();
    if (inFlight + unanswered + foreignAnswers > 0)
      note(`the host counts ${inFlight} in flight, ${unanswered} unanswered, ${foreignAnswers} foreign`);
    const { CANCELLED = 0, EXECUTION_TIMEOUT = 0 } = told.outcomes;
    if (lateAnswers > 0 && CANCELLED + EXECUTION_TIMEOUT === 0) note(`${lateAnswers} answers came after a result`);
    const isSent = (): boolean => count().connections.some(({ session, queuedBytes }) => session && queuedBytes === 0);
    if (!(await run(isSent)) && finding === null) note('bytes stay queued that nobody sends');
  }

  let isStopped = false;
  const isLive = finding === null;
  void spearlet.stop({ grace: 5_000 }).finally(() => (isStopped = true));
  for (let turns = 0; turns < 20_000 && !(isStopped && ended !== null); turns += 1) {
    if (clock.step() === null) await new Promise<void>(done => setImmediate(done));
    else await turn();
  }
  if (!isStopped) note('stop() did not resolve');
  if (isLive && ended !== 'in order') note(`the agent ended with ${ended}`);
  if (ended === null) agent.dispatch('host.gone');
  // The last bytes and ends of the network.
  await clock.run(clock.now() + 1_000);
  if (isLive && clock.pending.length > own) note(`${clock.pending.length - own} timers are left`);
  return { finding, log, executions: dialogue.requests.length, cuts: breaks.cuts, outcomes: told.outcomes, readBytes: told.readBytes };
}

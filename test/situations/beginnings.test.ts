// What happens inside the turn in which an instance begins: a stop from a logger or an inspector, an abort, a taken id.
import { describe, expect, test } from 'vitest';
import type { Execution, InstanceSpec, Spearlet } from '../../src/index.ts';
import type { Logger } from '../../src/option-schemas.ts';
import { createPrograms } from '../../src/process/programs.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { createSpearletIn } from '../../src/spearlet.ts';
import { tcp } from '../../src/transport/tcp.ts';
import { realClock } from '../../src/world/clock.ts';
import { realDisk } from '../../src/world/disk.ts';
import { realRandom } from '../../src/world/random.ts';
import { atEnd, remember } from '../census/census.ts';
import { everyday, failureOf, openSpearlet, seen } from './world.ts';

const seenStarted = (spearlet: Spearlet) => seen(spearlet.events$, ({ type }) => type === 'instance.spawned');
const sleeper: InstanceSpec = { artifactId: 'sleeper', command: 'sleep', args: ['1000'] };

/** A logger that calls back at each line. */
function loggerAt(line: (message: string) => void): Logger {
  const logger: Record<string, unknown> = { child: () => logger };
  for (const level of ['trace', 'debug', 'info', 'warn', 'error']) logger[level] = (_: object, message: string) => line(message);
  return logger as never as Logger;
}

const stops: [string, (spearlet: Spearlet) => Promise<unknown> | undefined][] = [
  ['stop() of the instance', spearlet => spearlet.instances[0]?.stop({ grace: 0 })],
  ['stop() of the spearlet', spearlet => spearlet.stop({ grace: 0 })],
];

describe.each(stops)('%s, called by', (_, stop) => {
  test.each(['state', 'program started'])('a logger at the line `%s` of a start, ends that start', async at => {
    let stopping: Promise<unknown> | undefined;
    const logger = loggerAt(message => {
      if (message === at) stopping ??= stop(spearlet);
    });
    const spearlet = openSpearlet({ logger: logger as never });
    expect((await failureOf(spearlet.start(sleeper))).code).toMatch(/^(INSTANCE_)?STOPPED$/);
    expect(stopping).toBeDefined();
    await stopping;
    expect(spearlet.instances).toEqual([]);
  });

  test('an inspector, at whatever event of a start, ends that start', async () => {
    /** Stops at the event that is chosen; how many events there are until the program is started. */
    const run = async (chosen: number): Promise<number> => {
      let stopping: Promise<unknown> | undefined;
      let begun = false;
      let events = 0;
      let until = 0;
      const defects: string[] = [];
      const inspect = (event: { type: string; event?: { type: string } }): void => {
        begun ||= event.type === '@xstate.event' && event.event?.type === 'start';
        if (!begun) return;
        events += 1;
        if (events === chosen) stopping ??= stop(spearlet);
      };
      const logger = loggerAt(message => {
        if (message.includes('defect')) defects.push(message);
        if (message === 'program started') until = events;
      });
      const spearlet = openSpearlet({ inspect: inspect as never, logger: logger as never });
      const starting = failureOf(spearlet.start(sleeper));
      if (chosen === 0) {
        await seenStarted(spearlet);
        stopping = stop(spearlet);
      }
      const { code } = await starting;
      await stopping;
      await spearlet.stop({ grace: 0 });
      expect({ chosen, code, left: spearlet.instances, defects }).toEqual({
        ...{ chosen, left: [], defects: [] },
        code: expect.stringMatching(/^(INSTANCE_)?STOPPED$/),
      });
      return until;
    };
    const events = await run(0);
    expect(events).toBeGreaterThan(10);
    for (let chosen = 1; chosen <= events; chosen += 1) await run(chosen);
  });

  test('a stop by a logger in the turn of expect() ends it', async () => {
    const logger = loggerAt(message => {
      if (message === 'state') void stop(spearlet);
    });
    const spearlet = openSpearlet({ logger: logger as never });
    let expected: ReturnType<Spearlet['expect']> | undefined;
    try {
      expected = spearlet.expect({ artifactId: 'nobody' });
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^(INSTANCE_)?STOPPED$/) });
    }
    if (expected !== undefined) expect((await failureOf(expected.ready)).code).toMatch(/^(INSTANCE_)?STOPPED$/);
    await spearlet.stop();
    expect(spearlet.instances).toEqual([]);
  });
});

test('a signal that is aborted in the turn of the start, by a logger, ends that start', async () => {
  const controller = new AbortController();
  const logger = loggerAt(message => message === 'program started' && controller.abort());
  const spearlet = openSpearlet({ logger: logger as never });
  expect(await failureOf(spearlet.start(sleeper, { signal: controller.signal }))).toMatchObject({ code: 'CANCELLED' });
  expect(spearlet.instances).toEqual([]);
});

test('an execution that a logger begins in the turn of the start waits for the agent', async () => {
  let execution: Execution | undefined;
  const logger = loggerAt(() => {
    execution ??= spearlet?.instances[0]?.execute({ command: 'pid' });
  });
  let spearlet: ReturnType<typeof openSpearlet> | undefined;
  spearlet = openSpearlet({ logger: logger as never });
  const { pid } = await spearlet.start(everyday);
  expect((await execution!.result).output).toBe(String(pid));
});

describe('an id', () => {
  test('that is in use is never given out again, also if the random source repeats it', async () => {
    const programs = createPrograms(processTable, realClock);
    const state = { disk: realDisk, processTable, trees: programs.trees };
    const spearlet = createSpearletIn(
      {
        ...{ clock: realClock, programs, network: tcp, state, environment: process.env, workingDirectory: process.cwd() },
        random: { ...realRandom, id: () => '00000000-0000-4000-8000-000000000000' },
      },
      { logger: false, ports: 0 },
    );
    atEnd(() => spearlet.stop({ grace: 0 }));
    spearlet.events$.subscribe(event => event.instanceId !== null && remember(event.instanceId));
    const started = await Promise.all([1, 2, 3].map(() => spearlet.start(everyday)));
    expect(new Set(started.map(({ id }) => id)).size).toBe(3);
    expect(started.map(({ id }) => spearlet.get(id))).toEqual(started);
    const pids = await Promise.all(started.map(async each => (await each.execute({ command: 'pid' }).result).output));
    expect(pids).toEqual(started.map(({ pid }) => String(pid)));
  });

  test('has enough random digits that two hosts never choose the same', async () => {
    const spearlet = openSpearlet();
    const ids = [1, 2, 3].map(() => spearlet.expect({ artifactId: 'a b/c' }).id);
    for (const id of ids) expect(id).toMatch(/^a-b-c-[0-9a-f]{16}$/);
    expect(new Set(ids.map(id => id.slice(0, 12))).size).toBe(3);
  });
});

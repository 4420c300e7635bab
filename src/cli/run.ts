// `spearlet run`: starts all instances of a configuration file and supervises them in the foreground.
import { isatty } from 'node:tty';
import { milliseconds } from '../config-keys.ts';
import { SpearletError } from '../errors.ts';
import type { InstanceSpec, Spearlet, StopOptions } from '../index.ts';
import { isOrderly } from '../instance/exit-reason.ts';
import { stdout } from '../world/stdio.ts';
import { USAGE } from './exit-codes.ts';
import { type ReadConfig, readConfig } from './file.ts';
import { onInterrupt } from './interrupt.ts';
import { printError } from './print.ts';
import { createScreen } from './screen.ts';

const GIVEN_UP = 1;
const NOT_STARTED = 3;

export interface RunOptions {
  readonly json: boolean;
  readonly failFast: boolean;
  readonly grace?: string;
}

interface Opened {
  readonly spearlet: Spearlet;
  readonly specs: ReadConfig['specs'];
  /** What `--grace` says to a stop: it also holds for an instance with a `grace` of its own. */
  readonly stopOptions: StopOptions;
}

async function open(file: string, { json, grace }: RunOptions): Promise<Opened> {
  const ms = grace === undefined ? undefined : milliseconds(grace);
  if (ms === null) throw new SpearletError('INVALID_OPTIONS', `--grace is '${grace}', expected seconds or a text like '250ms'`);
  const { options, specs } = readConfig(file);
  // Loaded after the file is read: an error in the file shows in a third of the time.
  const { createSpearlet } = await import('../index.ts');
  const stopOptions = ms === undefined ? {} : { grace: ms };
  const quiet = json || isatty(1) ? { logger: false as const } : {};
  return { spearlet: createSpearlet({ ...options, ...stopOptions, ...quiet }), specs, stopOptions };
}

export async function run(file: string, options: RunOptions): Promise<number> {
  let opened: Opened;
  try {
    opened = await open(file, options);
  } catch (error) {
    printError(error, options.json);
    return USAGE;
  }
  const { spearlet, specs, stopOptions } = opened;
  const screen = createScreen(options.json, specs);
  const followed = new Set<string>();
  spearlet.events$.subscribe(event => {
    const instance = event.instanceId === null ? undefined : spearlet.get(event.instanceId);
    if (instance !== undefined && !followed.has(instance.id)) {
      followed.add(instance.id);
      screen.follow(instance);
    }
    screen.event(event);
  });
  const interrupt = new AbortController();
  const off = onInterrupt(again => {
    interrupt.abort();
    void spearlet.stop(again ? { grace: 0 } : stopOptions);
  });
  let notStarted = false;
  let givenUp = false;
  const startOne = async (spec: InstanceSpec): Promise<void> => {
    try {
      const { exited } = await spearlet.start(spec);
      const { reason } = await exited;
      // After the stop has begun, a program may end in any way: it does not count as given up.
      const expected = isOrderly(reason) || (interrupt.signal.aborted && reason !== 'internal');
      if (!expected) givenUp = true;
    } catch (error) {
      // The other starts fail because of the stop.
      if (interrupt.signal.aborted || (options.failFast && notStarted)) return;
      notStarted = true;
      screen.startFailed(error);
      if (options.failFast) void spearlet.stop(stopOptions);
    }
  };
  try {
    await Promise.all(specs.map(startOne));
    await spearlet.stop();
    // Waits for a slow reader of stdout, but not after an interrupt.
    await stdout.drained(interrupt.signal);
    if (notStarted) return NOT_STARTED;
    return givenUp ? GIVEN_UP : 0;
  } finally {
    off();
  }
}

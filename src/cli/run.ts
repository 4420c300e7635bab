// `spearlet run`: starts all instances of a configuration file and supervises them in the foreground.
import { isatty } from 'node:tty';
import { createSpearlet, type InstanceSpec, SpearletError } from '../index.ts';
import { stdout } from '../world/stdio.ts';
import { readSpecs } from './file.ts';
import { onInterrupt } from './interrupt.ts';
import { errorJson, json, milliseconds, printError } from './print.ts';
import { createScreen } from './screen.ts';

const GIVEN_UP = 1;
const USAGE = 2;
const NOT_STARTED = 3;

export async function run(file: string, options: { json: boolean; grace: string }): Promise<number> {
  let specs: InstanceSpec[];
  const grace = milliseconds(options.grace);
  try {
    if (grace === null) throw new SpearletError('INVALID_OPTIONS', `--grace is '${options.grace}', expected a number of seconds`);
    specs = readSpecs(file);
  } catch (error) {
    printError(error, options.json);
    return USAGE;
  }
  const spearlet = createSpearlet({ grace, ...(options.json || isatty(1) ? { logger: false } : {}) });
  const interrupt = new AbortController();
  spearlet.events$.subscribe(createScreen(options.json, interrupt.signal));
  const off = onInterrupt(again => {
    interrupt.abort();
    void spearlet.stop(again ? { grace: 0 } : {});
  });
  let notStarted = false;
  let givenUp = false;
  const ends: Promise<void>[] = [];
  const startOne = async (spec: InstanceSpec): Promise<void> => {
    try {
      const { exited } = await spearlet.start(spec);
      ends.push(
        exited.then(({ reason }) => {
          // After the stop has begun, a program may end in any way: it does not count as given up.
          const expected = reason === 'stopped' || reason === 'completed' || (interrupt.signal.aborted && reason !== 'internal');
          if (!expected) givenUp = true;
        }),
      );
    } catch (error) {
      if (interrupt.signal.aborted) return;
      notStarted = true;
      if (options.json) stdout.write(`${json({ type: 'error', ...errorJson(error) })}\n`);
      else printError(error, false);
    }
  };
  try {
    await Promise.all(specs.map(startOne));
    if (!notStarted) await Promise.all(ends);
    await spearlet.stop();
    // Waits for a slow reader of stdout, but not after an interrupt.
    await stdout.drained(interrupt.signal);
    if (notStarted) return NOT_STARTED;
    return givenUp ? GIVEN_UP : 0;
  } finally {
    off();
  }
}

// `spearlet run`: starts what a file names and supervises it in the foreground.
import { isatty } from 'node:tty';
import { createSpearlet, type InstanceSpec, SpearletError } from '../index.ts';
import { stdout } from '../world/stdio.ts';
import { readSpecs } from './file.ts';
import { onInterrupt } from './interrupt.ts';
import { errorJson, json, milliseconds, sayError } from './print.ts';
import { createScreen } from './screen.ts';

const GIVEN_UP = 1;
const USAGE = 2;
const NOT_STARTED = 3;

export async function run(file: string, options: { json: boolean; grace: string }): Promise<number> {
  let specs: InstanceSpec[];
  const patience = milliseconds(options.grace);
  try {
    if (patience === null) throw new SpearletError('INVALID_OPTIONS', `--grace is '${options.grace}', expected seconds`);
    specs = readSpecs(file);
  } catch (error) {
    sayError(error, options.json);
    return USAGE;
  }
  const spearlet = createSpearlet({ grace: patience, ...(options.json || isatty(1) ? { logger: false } : {}) });
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
          // However a program ends once the stop has begun, nothing was given up.
          const orderly = reason === 'stopped' || reason === 'completed' || (interrupt.signal.aborted && reason !== 'internal');
          if (!orderly) givenUp = true;
        }),
      );
    } catch (error) {
      if (interrupt.signal.aborted) return;
      notStarted = true;
      if (options.json) stdout.write(`${json({ type: 'error', ...errorJson(error) })}\n`);
      else sayError(error, false);
    }
  };
  try {
    await Promise.all(specs.map(startOne));
    if (!notStarted) await Promise.all(ends);
    await spearlet.stop();
    // Who reads us may take his time, unless somebody waits for our end.
    await stdout.drained(interrupt.signal);
    if (notStarted) return NOT_STARTED;
    return givenUp ? GIVEN_UP : 0;
  } finally {
    off();
  }
}

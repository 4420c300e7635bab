// `spearlet run`: starts what a file names and supervises it in the foreground.
import { styleText } from 'node:util';
import { createSpearlet, type ExitReport, type InstanceSpec, type InstanceState, SpearletError, type SpearletEvent } from '../index.ts';
import { readSpecs } from './file.ts';
import { errorJson, milliseconds, onInterrupt, sayError } from './print.ts';

const GIVEN_UP = 1;
const USAGE = 2;
const NOT_STARTED = 3;

const colours: Partial<Record<InstanceState, 'green' | 'yellow' | 'red' | 'cyan' | 'gray'>> = {
  ready: 'green',
  executing: 'cyan',
  reconnecting: 'yellow',
  backoff: 'yellow',
  stopping: 'gray',
  stopped: 'gray',
};

const detailsOf = ({ code, signal, message }: ExitReport): string =>
  `${code === null ? '' : `, exit code ${code}`}${signal === null ? '' : `, ${signal}`} (${message})`;

/** One line for each instance: redrawn on a terminal, printed as it changes otherwise. */
function createScreen(json: boolean) {
  const { stdout } = process;
  const lines = new Map<string, string>();
  let drawn = 0;
  const redraw = (): void => {
    if (drawn > 0) stdout.write(`\x1b[${drawn}A`);
    for (const line of lines.values()) stdout.write(`\x1b[2K${line}\n`);
    drawn = lines.size;
  };
  return (event: SpearletEvent): void => {
    if (json) return void stdout.write(`${JSON.stringify(event)}\n`);
    if (event.type !== 'instance.state' && event.type !== 'instance.exited') return;
    const name = event.artifactId.padEnd(20);
    const ended = event.type === 'instance.exited';
    // On a terminal the last word on an instance is how it ended.
    if (stdout.isTTY && !ended && event.state === 'stopped' && lines.get(event.instanceId)?.includes(' ended: ')) return;
    const word = ended ? `ended: ${event.report.reason}` : event.state;
    const line = `${name} ${word}${ended ? detailsOf(event.report) : event.incarnation > 1 ? `, program ${event.incarnation}` : ''}`;
    if (!stdout.isTTY) return void stdout.write(`${line}\n`);
    // Cut before it is coloured: a line that wraps would be redrawn in the wrong place.
    const fitting = line.slice(0, (stdout.columns || 80) - 1);
    const colour = ended ? 'gray' : colours[event.state];
    lines.set(event.instanceId, colour === undefined ? fitting : fitting.replace(word, styleText(colour, word)));
    redraw();
  };
}

export async function run(file: string, { json, grace }: { json: boolean; grace: string }): Promise<number> {
  let specs: InstanceSpec[];
  const patience = milliseconds(grace);
  try {
    if (patience === null) throw new SpearletError('INVALID_OPTIONS', `--grace is '${grace}', expected seconds`);
    specs = readSpecs(file);
  } catch (error) {
    sayError(error, json);
    return USAGE;
  }
  const spearlet = createSpearlet({ grace: patience, ...(json || process.stdout.isTTY ? { logger: false } : {}) });
  spearlet.events$.subscribe(createScreen(json));
  // Who reads us has left: that is no reason to leave the instances alone.
  process.stdout.on('error', () => {});
  let interrupted = false;
  const off = onInterrupt(again => {
    interrupted = true;
    void spearlet.stop(again ? { grace: 0 } : {});
  });
  try {
    const started = await Promise.allSettled(specs.map(spec => spearlet.start(spec)));
    const failures = started.flatMap(each => (each.status === 'rejected' ? [each.reason as unknown] : []));
    if (failures.length > 0 && !interrupted) {
      for (const failure of failures) {
        if (json) process.stdout.write(`${JSON.stringify({ type: 'error', ...errorJson(failure) })}\n`);
        else sayError(failure, false);
      }
      await spearlet.stop();
      return NOT_STARTED;
    }
    const reports = await Promise.all(started.flatMap(each => (each.status === 'fulfilled' ? [each.value.exited] : [])));
    await spearlet.stop();
    return reports.some(({ reason }) => reason !== 'stopped' && reason !== 'completed') ? GIVEN_UP : 0;
  } finally {
    off();
  }
}

// What `spearlet run` shows of its instances: events as JSON, lines as they change, or on a terminal one line for each
// instance that is drawn anew.
import { isatty } from 'node:tty';
import { styleText } from 'node:util';
import type { ExitReport, InstanceState, SpearletEvent } from '../index.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import { type Kept, stdout } from '../world/stdio.ts';
import { json } from './print.ts';

const colours: Partial<Record<InstanceState, 'green' | 'yellow' | 'red' | 'cyan' | 'gray'>> = {
  ready: 'green',
  executing: 'cyan',
  reconnecting: 'yellow',
  backoff: 'yellow',
  stopping: 'gray',
  stopped: 'gray',
};
const NAME = 60;
const MESSAGE = 1_000;

/** Where nobody reads our lines, so many are kept for whoever reads again. */
const lines: Kept = {
  bytes: bounds.unreadLines,
  gap: (count, bytes) => `(${count} lines are missing here, ${bytes} bytes: they could not be written)\n`,
};
const jsonLines: Kept = { ...lines, gap: (count, bytes) => `${json({ type: 'output.dropped', lines: count, bytes })}\n` };

const detailsOf = ({ code, signal, message }: ExitReport): string =>
  `${code === null ? '' : `, exit code ${code}`}${signal === null ? '' : `, ${signal}`} (${printable(message, MESSAGE)})`;

/** What an event says of its instance: a word that may be coloured, and the rest. */
function saying(
  event: SpearletEvent,
): { word: string; rest: string; colour: 'green' | 'yellow' | 'red' | 'cyan' | 'gray' | undefined } | null {
  if (event.type === 'instance.state')
    return { word: event.state, rest: event.incarnation > 1 ? `, program ${event.incarnation}` : '', colour: colours[event.state] };
  if (event.type === 'instance.exited') return { word: `ended: ${event.report.reason}`, rest: detailsOf(event.report), colour: 'gray' };
  if (event.type === 'instance.givenUp')
    return { word: `given up: ${event.code}`, rest: ` (${printable(event.message, MESSAGE)})`, colour: 'red' };
  return null;
}

/** The newest line of each instance. It is drawn when the terminal takes it: one that was stopped shows the last picture. */
function createPicture(signal: AbortSignal) {
  const shown = new Map<string, string>();
  /** Of the instances that are over: how they ended stays. */
  const over = new Set<string>();
  let drawn = 0;
  let due = false;
  const draw = (): void => {
    const up = drawn > 0 ? `\x1b[${drawn}A` : '';
    stdout.write(up + [...shown.values()].map(line => `\x1b[2K${line}\n`).join(''));
    drawn = shown.size;
  };
  return (event: SpearletEvent): void => {
    const said = saying(event);
    if (said === null || !('artifactId' in event)) return;
    if (event.type === 'instance.state' && event.state === 'stopped' && over.has(event.instanceId)) return;
    if (event.type === 'instance.state') over.delete(event.instanceId);
    else over.add(event.instanceId);
    // Cut before it is coloured: a line that wraps would be redrawn in the wrong place.
    const fitting = `${printable(event.artifactId, NAME).padEnd(20)} ${said.word}${said.rest}`.slice(0, (process.stdout.columns || 80) - 1);
    const at = fitting.lastIndexOf(said.word);
    const coloured = at < 0 || said.colour === undefined ? said.word : styleText(said.colour, said.word);
    shown.set(event.instanceId, at < 0 ? fitting : fitting.slice(0, at) + coloured + fitting.slice(at + said.word.length));
    if (stdout.pending === 0) return draw();
    if (due) return;
    due = true;
    void stdout.drained(signal).then(() => {
      due = false;
      if (stdout.pending === 0) draw();
    });
  };
}

/** Once `signal` aborts, nothing waits for a terminal that takes nothing. */
export function createScreen(asJson: boolean, signal: AbortSignal): (event: SpearletEvent) => void {
  if (asJson) return event => stdout.write(`${json(event)}\n`, jsonLines);
  if (isatty(1)) return createPicture(signal);
  return event => {
    const said = saying(event);
    if (said === null || !('artifactId' in event)) return;
    stdout.write(`${printable(event.artifactId, NAME).padEnd(20)} ${said.word}${said.rest}\n`, lines);
  };
}

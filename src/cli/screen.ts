// Shows the instances of `spearlet run`: as JSON, one event per line; as text, one line per change; on a terminal, one line per
// instance, which is redrawn.
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
/** Characters of an artifact id that are shown. */
const MAX_NAME = 60;

/** Lines that nobody has read yet are kept up to this bound. Dropped lines are counted. */
const lines: Kept = {
  bytes: bounds.unreadLines,
  gap: (count, bytes) => `(${count} lines are missing here, ${bytes} bytes: they could not be written)\n`,
};
const jsonLines: Kept = { ...lines, gap: (count, bytes) => `${json({ type: 'output.dropped', lines: count, bytes })}\n` };

const detailsOf = ({ code, signal, message }: ExitReport): string =>
  `${code === null ? '' : `, exit code ${code}`}${signal === null ? '' : `, ${signal}`} (${printable(message, bounds.quoted)})`;

/** The text of an event: a word that may be coloured, and details. Null: the event is not shown. */
function describe(
  event: SpearletEvent,
): { word: string; details: string; colour: 'green' | 'yellow' | 'red' | 'cyan' | 'gray' | undefined } | null {
  if (event.type === 'instance.state')
    return { word: event.state, details: event.incarnation > 1 ? `, program ${event.incarnation}` : '', colour: colours[event.state] };
  if (event.type === 'instance.exited') return { word: `ended: ${event.report.reason}`, details: detailsOf(event.report), colour: 'gray' };
  if (event.type === 'instance.givenUp')
    return { word: `given up: ${event.code}`, details: ` (${printable(event.message, bounds.quoted)})`, colour: 'red' };
  return null;
}

/** Redraws one line per instance. While the terminal takes nothing (Ctrl-S), nothing is drawn; later only the newest lines are. */
function createRedrawnScreen(signal: AbortSignal) {
  const shown = new Map<string, string>();
  /** Instances that have ended. Their lines keep saying how. */
  const ended = new Set<string>();
  let drawnLines = 0;
  let redrawPending = false;
  const draw = (): void => {
    const up = drawnLines > 0 ? `\x1b[${drawnLines}A` : '';
    stdout.write(up + [...shown.values()].map(line => `\x1b[2K${line}\n`).join(''));
    drawnLines = shown.size;
  };
  return (event: SpearletEvent): void => {
    const text = describe(event);
    if (text === null || event.instanceId === null || !('artifactId' in event)) return;
    if (event.type === 'instance.state' && event.state === 'stopped' && ended.has(event.instanceId)) return;
    if (event.type === 'instance.state') ended.delete(event.instanceId);
    else ended.add(event.instanceId);
    // Cut before colouring: a line that wraps would be redrawn in the wrong place.
    const fitting = `${printable(event.artifactId, MAX_NAME).padEnd(20)} ${text.word}${text.details}`.slice(
      0,
      (process.stdout.columns || 80) - 1,
    );
    const at = fitting.lastIndexOf(text.word);
    const coloured = at < 0 || text.colour === undefined ? text.word : styleText(text.colour, text.word);
    shown.set(event.instanceId, at < 0 ? fitting : fitting.slice(0, at) + coloured + fitting.slice(at + text.word.length));
    if (stdout.pending === 0) return draw();
    if (redrawPending) return;
    redrawPending = true;
    void stdout.drained(signal).then(() => {
      redrawPending = false;
      if (stdout.pending === 0) draw();
    });
  };
}

/** After `signal` aborts, nothing waits for a terminal that takes no output. */
export function createScreen(asJson: boolean, signal: AbortSignal): (event: SpearletEvent) => void {
  if (asJson) return event => stdout.write(`${json(event)}\n`, jsonLines);
  if (isatty(1)) return createRedrawnScreen(signal);
  return event => {
    const text = describe(event);
    if (text === null || !('artifactId' in event)) return;
    stdout.write(`${printable(event.artifactId, MAX_NAME).padEnd(20)} ${text.word}${text.details}\n`, lines);
  };
}

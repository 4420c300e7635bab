// Shows the instances of `spearlet run` and their output: as JSON, one object per line; as text, one line per event and per line of
// output, in colours on a terminal.
import { isatty } from 'node:tty';
import { styleText } from 'node:util';
import type { NamedSpec } from '../config.ts';
import type { ExitReport, Instance, InstanceSpec, InstanceState, SpearletEvent } from '../index.ts';
import { isOrderly } from '../instance/exit-reason.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import { iso, realClock } from '../world/clock.ts';
import { type Kept, stdout } from '../world/stdio.ts';
import { createLines, type Line } from './lines.ts';
import { errorJson, json, printError } from './print.ts';

type Colour = Parameters<typeof styleText>[0];

const stateColours: Partial<Record<InstanceState, Colour>> = {
  ready: 'green',
  executing: 'cyan',
  reconnecting: 'yellow',
  backoff: 'yellow',
  stopping: 'gray',
  stopped: 'gray',
};
/** The colours of names, in turn. */
const nameColours = ['cyan', 'yellow', 'green', 'magenta', 'blue', 'cyanBright', 'yellowBright', 'greenBright', 'magentaBright'] as const;
/** Characters of a name that are shown, and to which shorter ones are padded at most. */
const MAX_NAME = 60;
const MAX_PADDED = 30;
/** Lines of stderr that are shown again after a crash. */
const CRASH_LINES = 10;

/** Lines that nobody has read yet are kept up to this bound. Dropped lines are counted. */
const kept: Kept = {
  bytes: bounds.unreadLines,
  gap: (count, bytes) => `(${count} lines are missing here, ${bytes} bytes: they could not be written)\n`,
};
const keptJson: Kept = { ...kept, gap: (count, bytes) => `${json({ type: 'output.dropped', lines: count, bytes })}\n` };

const hints: Partial<Record<ExitReport['reason'], string>> = {
  heartbeat: 'The agent did not answer its heartbeats: something blocks it, or it was stopped (SIGSTOP).',
  link: 'The agent lost its connection and did not reconnect within `reconnectWindow`.',
  memory: 'Its process tree needs more memory than `max_memory`: raise it, or look for the leak.',
  unresponsive: 'An execution did not end within `grace` after it was cancelled.',
  internal: 'This is a defect of spearlet: please report it.',
};

/** What to do about the end of a program. Undefined: nothing, or the error of its start says it. */
function hintOf(event: SpearletEvent, restart: InstanceSpec['restart'], wasReady: boolean): string | undefined {
  if (event.type === 'instance.givenUp')
    return 'Correct what makes it fail. `restart.intensity` and `restart.period` say how many failures are followed by a restart.';
  if (event.type !== 'instance.exited' || isOrderly(event.report.reason) || !wasReady) return undefined;
  const stays = restart === 'permanent' || restart === 'transient' ? '' : 'It is not restarted: set "restart" to "transient" for that.';
  return [hints[event.report.reason] ?? '', stays].filter(Boolean).join(' ') || undefined;
}

/** The text of an event: a word that may be coloured, and details. Null: the event is not shown. */
function describe(event: SpearletEvent): { word: string; details: string; colour: Colour | undefined } | null {
  if (event.type === 'instance.state')
    return { word: event.state, details: event.incarnation > 1 ? `, program ${event.incarnation}` : '', colour: stateColours[event.state] };
  if (event.type === 'instance.givenUp')
    return { word: `given up: ${event.code}`, details: ` (${printable(event.message, bounds.quoted)})`, colour: 'red' };
  if (event.type !== 'instance.exited') return null;
  const { reason, code, signal, message } = event.report;
  const exit = `${code === null ? '' : `, exit code ${code}`}${signal === null ? '' : `, ${signal}`}`;
  return {
    word: `ended: ${reason}`,
    details: `${exit} (${printable(message, bounds.quoted)})`,
    colour: isOrderly(reason) ? 'gray' : 'red',
  };
}

/** The lines of stderr that follow the event of a crash. */
const lastWords = ({ stderr }: ExitReport): string[] =>
  stderr === ''
    ? []
    : stderr
        .trimEnd()
        .split('\n')
        .slice(-CRASH_LINES)
        .map(line => `stderr: ${printable(line, bounds.quoted)}`);

const textOf = ({ text, cut, droppedBytes }: Line): string => {
  if (droppedBytes !== undefined) return `(${droppedBytes} bytes are missing here)`;
  const shown = printable(text, bounds.quoted);
  return cut === undefined || shown.endsWith('…') ? shown : `${shown}…`;
};

export interface Screen {
  event(event: SpearletEvent): void;
  /** Shows why an instance could not start; as text on stderr. */
  startFailed(error: unknown): void;
  /** Shows the output of an instance from now on. */
  follow(instance: Instance): void;
}

export function createScreen(asJson: boolean, specs: readonly NamedSpec[]): Screen {
  const isTerminal = isatty(1);
  const isColoured = isTerminal && !process.env.NO_COLOR;
  const policies = new Map(specs.map(({ artifactId, restart }) => [artifactId, restart]));
  const names = [...policies.keys()];
  const width = Math.min(MAX_PADDED, Math.max(0, ...names.map(name => printable(name, MAX_NAME).length)));
  const instances = new Map<string, { readonly lines: ReturnType<typeof createLines>; wasReady: boolean }>();

  const paint = (text: string, colour: Colour | undefined): string =>
    isColoured && colour !== undefined ? styleText(colour, text, { validateStream: false }) : text;
  const time = (): string => iso(realClock.wall());
  const nameOf = (artifactId: string, bar: string): string =>
    paint(
      `${printable(artifactId, MAX_NAME).padEnd(width)}${bar}`,
      nameColours[Math.max(0, names.indexOf(artifactId)) % nameColours.length],
    );

  const writeLines = (instanceId: string, artifactId: string, lines: readonly Line[]): void => {
    if (lines.length === 0) return;
    if (asJson)
      stdout.write(lines.map(line => `${json({ time: time(), type: 'output', instanceId, artifactId, ...line })}\n`).join(''), keptJson);
    else stdout.write(lines.map(line => `${nameOf(artifactId, ' |')} ${textOf(line)}\n`).join(''), kept);
  };

  return {
    follow(instance) {
      const lines = createLines();
      instances.set(instance.id, { lines, wasReady: false });
      instance.output$.subscribe(chunk => writeLines(instance.id, instance.artifactId, lines.add(chunk)));
    },
    startFailed(error) {
      if (asJson) stdout.write(`${json({ time: time(), type: 'error', ...errorJson(error) })}\n`, keptJson);
      else printError(error, false);
    },
    event(event) {
      const instance = event.instanceId === null ? undefined : instances.get(event.instanceId);
      if (instance !== undefined && event.type === 'instance.exited') writeLines(event.instanceId, event.artifactId, instance.lines.end());
      if (instance !== undefined && event.type === 'instance.state' && event.state === 'ready') instance.wasReady = true;
      const hint = 'artifactId' in event ? hintOf(event, policies.get(event.artifactId), instance?.wasReady ?? false) : undefined;
      if (asJson) return stdout.write(`${json({ time: time(), ...event, hint })}\n`, keptJson);
      const text = describe(event);
      if (text === null || !('artifactId' in event)) return;
      const lines = [
        `${paint(text.word, text.colour)}${text.details}`,
        ...(event.type === 'instance.exited' && !isOrderly(event.report.reason) ? lastWords(event.report) : []),
        ...(hint === undefined ? [] : [`hint: ${hint}`]),
      ];
      const start = `${isTerminal ? '' : `${time()} `}${nameOf(event.artifactId, '')}`;
      stdout.write(lines.map((line, i) => `${start}   ${i === 0 ? '' : '  '}${line}\n`).join(''), kept);
    },
  };
}

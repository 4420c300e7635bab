// What the command line says: results to stdout, everything else to stderr; as text, or as JSON that carries a code. What
// agents, programs and files have said is escaped and cut where people read it.
import { SpearletError } from '../index.ts';
import { printable, printableJson } from '../printable.ts';
import { stderr } from '../world/stdio.ts';

/** Characters of one line of a message that is shown. */
const LINE = 1_000;

/** Lines of whatever origin; all after the first are set in, so that none can pass for one of ours. */
export const legible = (text: string): string =>
  text
    .split('\n')
    .map(line => printable(line, LINE))
    .join('\n  ');

export const json = (value: unknown): string => printableJson(JSON.stringify(value));

/** An error as JSON: always with its `code`. */
export function errorJson(error: unknown): Record<string, unknown> {
  if (!(error instanceof SpearletError)) return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
  const { code, message, hint, instanceId, artifactId, taskId, exitCode, signal, output, stderr, issues } = error;
  return { code, message, hint, instanceId, artifactId, taskId, exitCode, signal, output, error: error.error, stderr, issues };
}

/** One message to stderr. */
export const say = (what: { code: string; message: string }, asJson: boolean): void =>
  stderr.write(asJson ? `${json(what)}\n` : `spearlet: ${legible(`${what.code}: ${what.message}`)}\n`);

export function sayError(error: unknown, asJson: boolean): void {
  if (asJson) stderr.write(`${json(errorJson(error))}\n`);
  else if (error instanceof SpearletError)
    say({ code: error.code, message: error.hint ? `${error.message}\n${error.hint}` : error.message }, false);
  else stderr.write(`spearlet: ${legible(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`);
}

/** Seconds as ms; null where it is no such number. */
export function milliseconds(seconds: string): number | null {
  const value = Number(seconds);
  return seconds.trim() !== '' && Number.isFinite(value) && value >= 0 && value <= 2_147_483 ? Math.round(value * 1000) : null;
}

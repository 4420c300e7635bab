// Formats the messages of the command line, as text or as JSON with a `code`. Text from agents, programs and files is escaped
// and cut before people see it.
import { SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import { printable, printableJson } from '../printable.ts';
import { stderr } from '../world/stdio.ts';

/** Characters of a message that are shown of each line. */
const MAX_LINE = bounds.quoted;

/** Escapes a text of several lines. All lines after the first are indented, so that none looks like a line of spearlet. */
export const legible = (text: string): string =>
  text
    .split('\n')
    .map(line => printable(line, MAX_LINE))
    .join('\n  ');

export const json = (value: unknown): string => printableJson(JSON.stringify(value));

/** The result always has a `code`. */
export function errorJson(error: unknown): Record<string, unknown> {
  if (!(error instanceof SpearletError)) return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
  const { code, message, hint, instanceId, artifactId, taskId, exitCode, signal, output, stderr, issues } = error;
  return { code, message, hint, instanceId, artifactId, taskId, exitCode, signal, output, error: error.error, stderr, issues };
}

/** Prints one message to stderr. */
export const printMessage = (message: { code: string; message: string }, asJson: boolean): void =>
  stderr.write(asJson ? `${json(message)}\n` : `spearlet: ${legible(`${message.code}: ${message.message}`)}\n`);

export function printError(error: unknown, asJson: boolean): void {
  if (asJson) stderr.write(`${json(errorJson(error))}\n`);
  else if (error instanceof SpearletError)
    printMessage({ code: error.code, message: error.hint ? `${error.message}\n${error.hint}` : error.message }, false);
  else stderr.write(`spearlet: ${legible(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`);
}

// What the command line says: results to stdout, everything else to stderr; as text, or as JSON that carries a code.
import { SpearletError } from '../index.ts';

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** An error as JSON: always with its `code`. */
export function errorJson(error: unknown): Record<string, unknown> {
  if (!(error instanceof SpearletError)) return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
  const { code, message, hint, instanceId, artifactId, taskId, exitCode, signal, output, stderr, issues } = error;
  return { code, message, hint, instanceId, artifactId, taskId, exitCode, signal, output, error: error.error, stderr, issues };
}

export function sayError(error: unknown, json: boolean): void {
  if (json) say(JSON.stringify(errorJson(error)));
  else if (error instanceof SpearletError) say(`spearlet: ${error.code}: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`);
  else say(`spearlet: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

/** Seconds as ms; null where it is no such number. */
export function milliseconds(seconds: string): number | null {
  const value = Number(seconds);
  return seconds.trim() !== '' && Number.isFinite(value) && value >= 0 && value <= 2_147_483 ? Math.round(value * 1000) : null;
}

/** Calls back for Ctrl-C and SIGTERM: `again` for all after the first. Returns how to stop that. */
export function onInterrupt(interrupted: (again: boolean) => void): () => void {
  let again = false;
  const handler = (): void => {
    interrupted(again);
    again = true;
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return () => {
    process.off('SIGINT', handler);
    process.off('SIGTERM', handler);
  };
}

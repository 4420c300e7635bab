// The settings of a request as JSON. Both versions of the wire carry these fields.
import type { RequestSettings } from '../options/execution.ts';

/** The names of the fields, in the order in which they are written. */
export const settingFields = ['working_directory', 'timeout_ms', 'background'] as const;

export function encodeSettings({ workingDirectory, timeout, background }: RequestSettings): string {
  return JSON.stringify({ working_directory: workingDirectory, timeout_ms: timeout, background });
}

/** Undefined where no field is as docs/protocol.md says. Such fields are ignored, as v1 ignores unknown ones. */
export function settingsOf(directory: unknown, timeout: unknown, background: unknown): RequestSettings | undefined {
  const settings: { -readonly [Key in keyof RequestSettings]: RequestSettings[Key] } = {};
  if (typeof directory === 'string' && directory !== '') settings.workingDirectory = directory;
  if (Number.isSafeInteger(timeout) && (timeout as number) > 0) settings.timeout = timeout as number;
  if (background === 'end' || background === 'keep') settings.background = background;
  return Object.keys(settings).length === 0 ? undefined : settings;
}

/** Null: it is no JSON object. */
export function readSettings(text: string): RequestSettings | null {
  try {
    const { working_directory, timeout_ms, background } = JSON.parse(text) as Record<string, unknown>;
    return settingsOf(working_directory, timeout_ms, background) ?? {};
  } catch {
    return null;
  }
}

// The fields that a host adds to the ExecuteRequest of v1 for an agent that has announced them. serde ignores them.
import type { ExecuteRequest } from '../message.ts';
import { encodeSettings, settingFields, settingsOf } from '../settings.ts';
import { textOf } from '../text.ts';
import { type Extras, parseExtra } from './extra-fields.ts';
import { stringText } from './write.ts';

type RequestExtras = Pick<ExecuteRequest, 'input' | 'settings'>;

export const requestExtraFields = [...settingFields, 'input'] as const;

const NONE: RequestExtras = {};

/** Fields that are not as docs/protocol.md says are ignored. */
export function readRequestExtras(extras: Extras): RequestExtras {
  if (extras.every(each => each === null)) return NONE;
  const [directory, timeout, background, input] = extras.map(parseExtra);
  return { input: typeof input === 'string' ? Buffer.from(input) : undefined, settings: settingsOf(directory, timeout, background) };
}

/** Fields with a comma before each. Empty without fields: then the bytes are those of the original Rust implementation (serde). */
export function writeRequestExtras({ input, settings }: RequestExtras): string {
  if (input === undefined && settings === undefined) return '';
  const fields = settings === undefined ? '' : `,${encodeSettings(settings).slice(1, -1)}`;
  return input === undefined ? fields : `${fields},"input":${stringText(textOf(Buffer.from(input)))}`;
}

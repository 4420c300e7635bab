// Strings and timestamps as JSON text, as serde writes them.
import { SpearletError } from '../../errors.ts';
import type { Timestamp } from '../message.ts';
import { PLAIN } from './json.ts';

/** Longer texts go to JSON.stringify at once: for a short one the call costs more than a look at each character. */
const SHORT = 64;

/** Whether a text is short, and ASCII without anything to escape. */
function isPlain(value: string): boolean {
  if (value.length > SHORT) return false;
  for (let i = 0; i < value.length; i += 1) {
    const unit = value.charCodeAt(i);
    if (unit > 0x7f || PLAIN[unit] === 0) return false;
  }
  return true;
}

/** JSON text of a string as serde writes it. Throws PROTOCOL_ERROR for a lone surrogate: serde would refuse the whole frame. */
export function stringText(value: string): string {
  if (isPlain(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw new SpearletError('PROTOCOL_ERROR', 'a lone surrogate cannot be sent: it is not text');
  return JSON.stringify(value);
}

let lastTimestamp: Timestamp | null = null;
let lastTime = '';
/** The text of the last timestamp is kept: many frames share one. */
export function timeText(timestamp: Timestamp): string {
  if (timestamp !== lastTimestamp) {
    lastTimestamp = timestamp;
    lastTime = `{"secs_since_epoch":${timestamp.secs},"nanos_since_epoch":${timestamp.nanos}}`;
  }
  return lastTime;
}

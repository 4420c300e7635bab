// What a handler has thrown, as its caller learns of it: the name, the message and the stack of an error.
import type { AgentException } from '../protocol/message.ts';
import { ArgumentError } from './typed.ts';

/** What JSON and the names of the fields add, in characters. */
const FRAME = 256;

/** Null if `thrown` is no error, cannot be read, or has no room. `room`: the most UTF-16 units that it may take. */
export function exceptionOf(thrown: unknown, hide: (text: string) => string, room: number): AgentException | null {
  try {
    if (!(thrown instanceof Error)) return null;
    const [name, message] = [hide(String(thrown.name)), hide(String(thrown.message))];
    const told = thrown instanceof ArgumentError ? { name, message, issues: thrown.issues } : { name, message };
    // Escapes of JSON may double a text, so each line of a stack counts twice.
    const left = room - FRAME - JSON.stringify(told).length;
    if (left < 0) return null;
    if (thrown instanceof ArgumentError || typeof thrown.stack !== 'string') return told;
    return {
      ...told,
      stack: hide(thrown.stack)
        .slice(0, Math.floor(left / 2))
        .toWellFormed(),
    };
  } catch {
    // A getter or a proxy.
    return null;
  }
}

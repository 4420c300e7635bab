// What a handler has thrown, as its caller learns of it: the name, the message and the stack of an error, or the issues of an argument.
// What does not fit into one update is cut.
import type { AgentException } from '../protocol/message.ts';
import type { ValueIssue } from '../standard-schema.ts';
import { ArgumentError } from './typed.ts';

/** What JSON and the names of the fields add, in characters. */
const FRAME = 256;
/** The least room for what an exception says, in characters. With less, a frame carries no exception. */
const LEAST = 64;
/** The longest name of an error, in characters. */
const NAME = 64;

const sizeOf = (value: unknown): number => JSON.stringify(value).length;

/** The beginning of a text that has at most `room` characters as JSON, where an escape may take six. */
function cut(text: string, room: number): string {
  if (text.length < room && sizeOf(text) <= room) return text;
  const end = `… (${text.length} characters in all)`;
  for (let kept = room - sizeOf(end); kept > 0; kept = Math.floor(kept / 2)) {
    const part = text.slice(0, kept).toWellFormed() + end;
    if (sizeOf(part) <= room) return part;
  }
  return '…';
}

/** The first issues; one more says how many are missing. */
function cutIssues(issues: readonly ValueIssue[], hide: (text: string) => string, room: number): ValueIssue[] {
  const kept: ValueIssue[] = [];
  const missing = (): ValueIssue => ({ path: '', message: `… and ${issues.length - kept.length} more` });
  let left = room;
  for (const { path, message } of issues) {
    const issue = { path: cut(hide(path), Math.floor(room / 8)), message: cut(hide(message), Math.floor(room / 4)) };
    left -= sizeOf(issue) + 1;
    const isLast = kept.length === issues.length - 1;
    if (left < (isLast ? 0 : sizeOf(missing()))) return [...kept, missing()];
    kept.push(issue);
  }
  return kept;
}

/** Null for what is no error, for an error that cannot be read, and where a frame has no room. `room`: in UTF-16 units. */
export function exceptionOf(thrown: unknown, hide: (text: string) => string, room: number): AgentException | null {
  try {
    if (!(thrown instanceof Error) || room < 2 * LEAST) return null;
    const left = Math.max(LEAST, room - FRAME);
    const name = cut(hide(String(thrown.name)), NAME);
    const message = hide(String(thrown.message));
    // The message of an ArgumentError has its issues once more.
    if (thrown instanceof ArgumentError)
      return { name, message: cut(message, Math.floor(left / 4)), issues: cutIssues(thrown.issues, hide, Math.floor(left / 2)) };
    const told = { name, message: cut(message, Math.floor(left / 2)) };
    if (typeof thrown.stack !== 'string') return told;
    // A stack begins with the message: cut there too, it leaves room for the lines.
    const stack = hide(thrown.stack).replace(message, () => cut(message, Math.floor(left / 4)));
    return { ...told, stack: cut(stack, left - sizeOf(told)) };
  } catch {
    // A getter or a proxy.
    return null;
  }
}

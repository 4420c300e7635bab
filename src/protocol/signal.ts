// What an agent sends about an execution beside its responses, as JSON: its progress, and what a handler has thrown. Both versions of the
// wire carry this JSON.
import type { AgentException, AgentSignal } from './message.ts';

/** `taskId`: on wire v1, where the request id is not enough. */
export function encodeAgentSignal({ signal, value }: Pick<AgentSignal, 'signal' | 'value'>, taskId?: string): string {
  return JSON.stringify(taskId === undefined ? { signal, value } : { signal, task_id: taskId, value });
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isIssue = (value: unknown): boolean =>
  isText((value as { path?: unknown } | null)?.path) && isText((value as { message?: unknown }).message);

function exceptionOf(value: unknown): AgentException | null {
  if (typeof value !== 'object' || value === null) return null;
  const { name, message, stack, issues } = value as Record<string, unknown>;
  if (!isText(name) || !isText(message)) return null;
  const exception: AgentException = isText(stack) ? { name, message, stack } : { name, message };
  return Array.isArray(issues) && issues.every(isIssue) ? { ...exception, issues } : exception;
}

export interface ReadSignal {
  /** Null where it names none. */
  readonly taskId: string | null;
  readonly signal: AgentSignal;
}

/** Undefined for what is no JSON object with a signal; null for a signal that is not known. */
export function readAgentSignal(payload: Buffer): ReadSignal | null | undefined {
  let read: unknown;
  try {
    read = JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const { signal, task_id: id, value } = read as Record<string, unknown>;
  if (!isText(signal)) return undefined;
  const taskId = isText(id) ? id : null;
  const bytes = payload.length;
  if (signal === 'progress' && value !== undefined) return { taskId, signal: { signal, value, bytes } };
  const exception = signal === 'exception' ? exceptionOf(value) : null;
  return exception === null ? null : { taskId, signal: { signal: 'exception', value: exception, bytes } };
}

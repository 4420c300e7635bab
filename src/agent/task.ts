// One request in hand. It knows neither handlers nor links.
import { SpearletError } from '../errors.ts';
import type { U64 } from '../protocol/message.ts';
import type { TextJoiner } from './text.ts';

export interface Request {
  readonly taskId: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Without a prototype: `__proto__` is a name like any other. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Task {
  readonly requestId: U64;
  readonly request: Request;
  /** Made when a handler first asks for its signal: most never do, and one costs more than an echo. */
  aborter: AbortController | null;
  /** Why it has to stop, once it has to. */
  aborted: SpearletError | null;
  text: TextJoiner | null;
  announced: boolean;
}

export function signalOf(task: Task): AbortSignal {
  task.aborter ??= new AbortController();
  if (task.aborted !== null) task.aborter.abort(task.aborted);
  return task.aborter.signal;
}

export function abort(task: Task, reason: string): void {
  task.aborted ??= new SpearletError('CANCELLED', reason);
  task.aborter?.abort(task.aborted);
}

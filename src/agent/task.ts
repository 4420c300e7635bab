// One request in hand. It knows neither handlers nor links.
import { SpearletError } from '../errors.ts';
import type { Delivery } from './answers.ts';
import type { TextJoiner } from './text.ts';

export interface Request {
  readonly taskId: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Without a prototype: `__proto__` is a name like any other. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Task {
  readonly request: Request;
  readonly delivery: Delivery;
  /** Made when a handler first asks for its signal: most never do, and one costs more than an echo. */
  aborter: AbortController | null;
  /** Why it has to stop, once it has to. */
  aborted: SpearletError | null;
  text: TextJoiner | null;
  /** The first refused write() that nobody has looked at. */
  refused: RefusedWrite | null;
}

/**
 * The promise of a write() that was refused. It knows whether anybody looks at it: a plain one that nobody looks at would
 * end the process, and every other execution with it.
 */
export class RefusedWrite extends Promise<void> {
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }
  observed = false;
  error: unknown;

  static because(error: unknown): RefusedWrite {
    const refused = new RefusedWrite((_, reject) => reject(error));
    refused.catch(() => {});
    return Object.assign(refused, { observed: false, error });
  }

  // biome-ignore lint/suspicious/noThenProperty: `await`, `catch` and `finally` come here too
  override then<T = void, F = never>(
    fulfilled?: ((value: void) => T | PromiseLike<T>) | null,
    rejected?: ((reason: unknown) => F | PromiseLike<F>) | null,
  ): Promise<T | F> {
    this.observed = true;
    return super.then(fulfilled, rejected);
  }
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

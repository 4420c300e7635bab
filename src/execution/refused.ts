// An execution that is refused before it begins: it settles at once, with the reason.
import { type ErrorFacts, reasonOf, SpearletError } from '../errors.ts';
import { defaultExecuteOptions } from '../option-schemas.ts';
import { ActiveExecution, type ExecutionOwner } from './active-execution.ts';

const NO_REQUEST = { command: '', args: [], env: new Map<string, string>(), settings: undefined };

export function refusedExecution(taskId: string, ids: ErrorFacts, thrown: unknown): ActiveExecution {
  const nobody: ExecutionOwner = {
    ids,
    now: () => 0,
    settled() {},
    cancel() {},
    timedOut() {},
    throttle() {},
    grant() {},
    lend: () => false,
    subscriberThrew() {},
  };
  const execution = new ActiveExecution(nobody, 0, taskId, NO_REQUEST, 0, defaultExecuteOptions);
  execution.end('lost', refusal(thrown, { ...ids, taskId }));
  return execution;
}

/** The reason of a refusal with the ids of its execution. */
export function refusal(thrown: unknown, ids: ErrorFacts): SpearletError {
  if (!(thrown instanceof SpearletError)) return new SpearletError('INTERNAL', reasonOf(thrown), { ...ids, cause: thrown });
  const { code, message, cause, hint, issues } = thrown;
  return new SpearletError(code, message, { ...ids, cause, hint, issues });
}

// An execution that is refused before it begins: it settles at once, with the reason.
import { type ErrorFacts, reasonOf, SpearletError } from '../errors.ts';
import { ActiveExecution, type Execution, type ExecutionOwner } from './execution.ts';

export function refusedExecution(taskId: string, ids: ErrorFacts, thrown: unknown): Execution {
  const nobody: ExecutionOwner = { ids, settled() {}, cancel() {}, timedOut() {}, throttle() {}, subscriberThrew() {} };
  const execution = new ActiveExecution(nobody, 0, taskId, '', { collect: false, reject: true });
  execution.end('lost', errorOf(thrown, { ...ids, taskId }));
  return execution;
}

function errorOf(thrown: unknown, ids: ErrorFacts): SpearletError {
  if (!(thrown instanceof SpearletError)) return new SpearletError('INTERNAL', reasonOf(thrown), { ...ids, cause: thrown });
  const { code, message, cause, hint, issues } = thrown;
  return new SpearletError(code, message, { ...ids, cause, hint, issues });
}

// An execution that is refused before it begins: it settles at once, with the reason.
import { type ErrorFacts, reasonOf, SpearletError } from '../errors.ts';
import { createCall, type Execution } from './execution.ts';

export function refusedExecution(taskId: string, facts: ErrorFacts, thrown: unknown): Execution {
  const call = createCall(0, taskId, { collect: false, reject: true, facts }, { settled() {}, cancelled() {}, throttle() {} });
  call.end('lost', () => {
    if (!(thrown instanceof SpearletError)) return new SpearletError('INTERNAL', reasonOf(thrown), { ...facts, taskId, cause: thrown });
    const { code, message, cause, hint, issues } = thrown;
    return new SpearletError(code, message, { ...facts, taskId, cause, hint, issues });
  });
  return call.execution;
}

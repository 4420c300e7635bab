// The error of an execution that its agent has answered with Failed.
import { type ErrorFacts, SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import { printable } from '../printable.ts';
import type { AgentException } from '../protocol/message.ts';
import type { OutputData } from './collected.ts';
import type { ExecutionResult } from './execution.ts';

/** What the handler has thrown, as an error with the agent's own stack. */
function causeOf({ name, message, stack, issues }: AgentException): Error {
  const cause = new Error(message);
  cause.name = name;
  // Without the stack of the agent none: that of this line would mislead.
  cause.stack = stack ?? `${name}: ${message}`;
  return issues === undefined ? cause : Object.assign(cause, { issues });
}

export function executionFailed(
  ids: ErrorFacts,
  { taskId, output, stderr, error, exitCode, truncatedBytes }: ExecutionResult<OutputData>,
  exception: AgentException | null,
): SpearletError {
  const code = exitCode === null ? '' : ` with exit code ${exitCode}`;
  const reason = error ? `: ${printable(error, bounds.quoted)}` : '';
  return new SpearletError('EXECUTION_FAILED', `the execution failed${code}${reason}`, {
    ...{ ...ids, taskId, exitCode, output, error, truncatedBytes },
    ...(stderr === null ? {} : { stderr }),
    ...(exception === null ? {} : { cause: causeOf(exception) }),
  });
}

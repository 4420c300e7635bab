// Typed calls: the argument is JSON in the first argument of a request, the result is JSON in the output of the response. It runs over
// `execute()` of an instance or of a pool.
import { reasonOf, SpearletError } from '../errors.ts';
import type { CallOptions, ExecuteOptions, ExecuteRequestInput } from '../options/execution.ts';
import { check, isStandardSchema, issuesText, type ValueIssue } from '../standard-schema.ts';
import type { Execution } from './execution.ts';

type Execute = (request: ExecuteRequestInput, options: ExecuteOptions) => Execution;

const invalid = (message: string, path: string, value: unknown): SpearletError =>
  new SpearletError('INVALID_OPTIONS', `invalid call() options: ${path}: ${message}`, { issues: [{ path, value, message }] });

/** A value that is no JSON: the fault is of the whole value. */
function notJson(code: 'INVALID_ARGUMENT' | 'INVALID_RESULT', whose: string, message: string, facts: object): SpearletError {
  return new SpearletError(code, `${whose} ${message}`, { ...facts, issues: [{ path: '', message: `it ${message}` }] });
}

/** An argument that is left out is no argument of the request. Throws INVALID_ARGUMENT. */
function argumentsOf(name: string, argument: unknown): string[] {
  if (argument === undefined) return [];
  try {
    const json = JSON.stringify(argument);
    if (json !== undefined) return [json];
  } catch (cause) {
    throw notJson('INVALID_ARGUMENT', `the argument of '${name}'`, `cannot be converted to JSON: ${reasonOf(cause)}`, { cause });
  }
  throw notJson('INVALID_ARGUMENT', `the argument of '${name}'`, `cannot be converted to JSON: it is a ${typeof argument}`, {});
}

/** A response without output has no result. */
function resultOf(name: string, output: string | null, ids: object): unknown {
  if (output === null || output === '') return undefined;
  try {
    return JSON.parse(output);
  } catch (cause) {
    throw notJson('INVALID_RESULT', `the result of '${name}'`, `is not JSON: ${reasonOf(cause)}`, { ...ids, output, cause });
  }
}

/** The agent's schema has refused the argument: the handler did not run. */
function asArgumentError(name: string, error: unknown): unknown {
  if (!(error instanceof SpearletError) || error.code !== 'EXECUTION_FAILED') return error;
  const issues = (error.cause as { issues?: readonly ValueIssue[] } | undefined)?.issues;
  if (issues === undefined) return error;
  const { instanceId, artifactId, taskId, cause } = error;
  const facts = { instanceId, artifactId, taskId, cause, issues };
  return new SpearletError('INVALID_ARGUMENT', `the agent refused the argument of '${name}': ${issuesText(issues)}`, facts);
}

export async function call<Result>(
  execute: Execute,
  name: string,
  argument: unknown,
  { result: schema, onProgress, ...options }: CallOptions<Result>,
): Promise<Result> {
  if (schema !== undefined && !isStandardSchema(schema)) throw invalid('must be a Standard Schema', 'result', schema);
  if (onProgress !== undefined && typeof onProgress !== 'function') throw invalid('must be a function', 'onProgress', onProgress);
  const execution = execute({ command: name, args: argumentsOf(name, argument) }, { ...options, collect: false });
  if (onProgress !== undefined)
    execution.updates$.subscribe(({ type, progress }) => {
      if (type === 'progress') onProgress(progress);
    });
  const { taskId } = execution;
  const { output } = await execution.result.catch(error => {
    throw asArgumentError(name, error);
  });
  const value = resultOf(name, output, { taskId });
  if (schema === undefined) return value as Result;
  const checked = await check(schema, value);
  if (checked.issues === undefined) return checked.value;
  const { issues } = checked;
  throw new SpearletError('INVALID_RESULT', `the result of '${name}' is not valid: ${issuesText(issues)}`, { taskId, issues, output });
}

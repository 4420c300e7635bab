// handler(): a handler of typed calls. The argument is JSON in the first argument of the request, and is checked by a schema of its
// author; the result is JSON in the output.
import { reasonOf } from '../errors.ts';
import { check, isStandardSchema, issuesText, type OutputOf, type StandardSchema, type ValueIssue } from '../standard-schema.ts';
import type { Handler, HandlerContext } from './handler.ts';
import { kindOf } from './result.ts';

/**
 * The schema has refused the argument of a call. The caller gets INVALID_ARGUMENT with the issues.
 * @internal
 */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
  readonly issues: readonly ValueIssue[];

  constructor(command: string, issues: readonly ValueIssue[]) {
    super(`the argument of '${command}' is not valid: ${issuesText(issues)}`);
    this.issues = issues;
  }
}

function argumentOf(command: string, json: string | undefined): unknown {
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json);
  } catch (thrown) {
    throw new ArgumentError(command, [{ path: '', message: `it is not JSON: ${reasonOf(thrown)}` }]);
  }
}

/**
 * A handler for `instance.call(name, argument)`: `serve({ sum: handler(schema, ({ a, b }) => a + b) })`. `schema` is any Standard
 * Schema (zod, valibot, arktype, …); it gets the argument of the call, and `run` gets what the schema gives. `run` returns a value that
 * can be converted to JSON, or nothing; it may be async. Where the schema refuses the argument, `run` is not called, and the call
 * rejects with INVALID_ARGUMENT and all issues. Throws TypeError for a schema that is none.
 */
export function handler<Schema extends StandardSchema>(
  schema: Schema,
  run: (argument: OutputOf<Schema>, context: HandlerContext) => unknown,
): Handler {
  if (!isStandardSchema(schema)) throw new TypeError(`handler() takes a Standard Schema, not ${kindOf(schema)}`);
  if (typeof run !== 'function') throw new TypeError(`handler() takes a function, not ${kindOf(run)}`);
  return async ({ command, args }, context) => {
    const checked = await check(schema, argumentOf(command, args[0]));
    if (checked.issues !== undefined) throw new ArgumentError(command, checked.issues);
    const result = await run(checked.value as OutputOf<Schema>, context);
    if (result === undefined) return undefined;
    const json = JSON.stringify(result);
    if (json === undefined) throw new TypeError(`a call returns a value that JSON can say, not ${kindOf(result)}`);
    return json;
  };
}

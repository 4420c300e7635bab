// The interface of Standard Schema (https://standardschema.dev), written by hand: zod, valibot, arktype and others implement it. A
// value is checked by whichever of them the author of a handler or a caller uses. It loads none.

/** Any schema with the property `~standard`, version 1. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema gives for a valid value. */
export type OutputOf<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['output'];

/** One fault of a value. `path` has the keys that lead to it, joined by dots; it is empty for the whole value. */
export interface ValueIssue {
  readonly path: string;
  readonly message: string;
}

export type Checked<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly ValueIssue[] };

export const isStandardSchema = (value: unknown): value is StandardSchema =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  typeof (value as Partial<StandardSchema>)['~standard']?.validate === 'function';

/** Checks a value, at once or later, as the schema does. Rejects only where the schema itself throws. */
export async function check<Output>(schema: StandardSchema<unknown, Output>, value: unknown): Promise<Checked<Output>> {
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result;
  return {
    issues: result.issues.map(({ path = [], message }) => ({
      path: path.map(part => String(typeof part === 'object' ? part.key : part)).join('.'),
      message,
    })),
  };
}

/** The issues of a value in one line. */
export const issuesText = (issues: readonly ValueIssue[]): string =>
  issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join(' | ');

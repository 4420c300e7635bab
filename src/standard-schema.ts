// The interface of Standard Schema (https://standardschema.dev), written by hand: zod, valibot, arktype and others implement it. A
// value is checked by whichever of them the author of a handler or a caller uses. It loads none.

/** Any schema with the property `~standard`, version 1. */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What a library of schemas provides. */
  readonly '~standard': {
    /** The version of the interface. */
    readonly version: 1;
    /** The name of the library. */
    readonly vendor: string;
    /** Checks a value. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** The types of the schema, for the compiler only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema says of a value: the value that it gives, or the faults. */
export type SchemaResult<Output> =
  | {
      /** What the schema gives for a valid value. */
      readonly value: Output;
      readonly issues?: undefined;
    }
  | {
      /** The faults of a value that is not valid. */
      readonly issues: readonly SchemaIssue[];
    };

/** One fault of a value, as a schema says it. */
export interface SchemaIssue {
  /** What is wrong. */
  readonly message: string;
  /** The keys that lead to it; left out for the whole value. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema gives for a valid value. */
export type OutputOf<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['output'];

/**
 * One fault of a value. `path` has the keys that lead to it, joined by dots; it is empty for the whole value.
 * @internal
 */
export interface ValueIssue {
  readonly path: string;
  readonly message: string;
}

/** @internal */
export type Checked<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly ValueIssue[] };

/** @internal */
export const isStandardSchema = (value: unknown): value is StandardSchema =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  typeof (value as Partial<StandardSchema>)['~standard']?.validate === 'function';

/**
 * Checks a value, at once or later, as the schema does. Rejects only where the schema itself throws.
 * @internal
 */
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

/**
 * The issues of a value in one line.
 * @internal
 */
export const issuesText = (issues: readonly ValueIssue[]): string =>
  issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join(' | ');

// The interfaces of src/options/ and the schemas that check them allow the same values. `npm run check` compiles this file; a
// difference is an error that names the keys: add them to the interface, with a docstring, or to the schema.
import type { z } from 'zod';
import type {
  executeOptionsSchema,
  expectSchema,
  instanceStopOptionsSchema,
  requestSchema,
  restartOptionsSchema,
  spearletSchema,
  specSchema,
  startOptionsSchema,
  stopOptionsSchema,
} from '../../src/option-schemas.ts';
import type { ExecuteOptions, ExecuteRequestInput } from '../../src/options/execution.ts';
import type {
  ExpectSpec,
  InstanceSpec,
  InstanceStopOptions,
  RestartOptions,
  StartOptions,
  StopOptions,
} from '../../src/options/instance.ts';
import type { PoolExecuteOptions, PoolOptions, PoolStopOptions } from '../../src/options/pool.ts';
import type { RunOptions } from '../../src/options/run.ts';
import type { SpearletOptions } from '../../src/options/spearlet.ts';
import type { poolExecuteOptionsSchema, poolSchema, poolStopOptionsSchema } from '../../src/pool/option-schemas.ts';
import type { runOptionsSchema } from '../../src/run.ts';

type Leaf = ((...args: never[]) => unknown) | AbortSignal | Uint8Array | ReadonlyMap<string, string>;

/** The keys of an object and of the objects in it, as paths like `restart.backoff.min`. */
type Paths<T> = T extends Leaf | readonly unknown[]
  ? never
  : T extends object
    ? { [K in keyof T & string]-?: K | `${K}.${Paths<NonNullable<T[K]>>}` }[keyof T & string]
    : never;

/** The schemas know no `readonly`, which takes nothing from what is allowed. */
type Writable<T> = T extends Leaf
  ? T
  : T extends readonly (infer Item)[]
    ? Writable<Item>[]
    : T extends object
      ? { -readonly [K in keyof T]: Writable<T[K]> }
      : T;

/** True where both allow the same values. Keys are compared on their own: a missing optional key does not end assignability. */
type Same<Interface, Schema extends z.ZodType> = [Exclude<Paths<z.input<Schema>>, Paths<Interface>>] extends [never]
  ? [Exclude<Paths<Interface>, Paths<z.input<Schema>>>] extends [never]
    ? Writable<Interface> extends Writable<z.input<Schema>>
      ? Writable<z.input<Schema>> extends Writable<Interface>
        ? true
        : { theSchemaAllowsMoreThan: Interface }
      : { theInterfaceAllowsMoreThan: z.input<Schema> }
    : { theSchemaLacks: Exclude<Paths<Interface>, Paths<z.input<Schema>>> }
  : { theInterfaceLacks: Exclude<Paths<z.input<Schema>>, Paths<Interface>> };

export const spearletOptions: Same<SpearletOptions, typeof spearletSchema> = true;
export const instanceSpec: Same<InstanceSpec, typeof specSchema> = true;
export const expectSpec: Same<ExpectSpec, typeof expectSchema> = true;
export const executeRequestInput: Same<ExecuteRequestInput, typeof requestSchema> = true;
export const executeOptions: Same<ExecuteOptions, typeof executeOptionsSchema> = true;
export const startOptions: Same<StartOptions, typeof startOptionsSchema> = true;
export const stopOptions: Same<StopOptions, typeof stopOptionsSchema> = true;
export const instanceStopOptions: Same<InstanceStopOptions, typeof instanceStopOptionsSchema> = true;
export const restartOptions: Same<RestartOptions, typeof restartOptionsSchema> = true;
export const runOptions: Same<RunOptions, typeof runOptionsSchema> = true;
export const poolOptions: Same<PoolOptions, typeof poolSchema> = true;
export const poolExecuteOptions: Same<PoolExecuteOptions, typeof poolExecuteOptionsSchema> = true;
export const poolStopOptions: Same<PoolStopOptions, typeof poolStopOptionsSchema> = true;

// What it must notice: a key too few, at the top and within; a key too many; a narrower and a wider value; a key that is required.
export const tooFew: Same<Omit<StopOptions, 'grace'>, typeof stopOptionsSchema> = {
  // @ts-expect-error: it is `'grace'`
  theInterfaceLacks: 'grave',
};
type Replaced<T, New> = Omit<T, keyof New> & New;
// @ts-expect-error
export const tooFewWithin: Same<Replaced<SpearletOptions, { heartbeat?: { interval?: number } }>, typeof spearletSchema> = true;
// @ts-expect-error
export const tooMany: Same<StopOptions & { graze?: number }, typeof stopOptionsSchema> = true;
// @ts-expect-error
export const narrower: Same<Replaced<PoolStopOptions, { drain?: true }>, typeof poolStopOptionsSchema> = true;
// @ts-expect-error
export const wider: Same<Replaced<InstanceSpec, { transport?: string }>, typeof specSchema> = true;
// @ts-expect-error
export const required: Same<Required<StopOptions>, typeof stopOptionsSchema> = true;

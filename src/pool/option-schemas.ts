// The options of a pool, and of an execution on it. Zod schemas: what they let through is in order.
import { z } from 'zod';
import { duration, executeOptionsSchema, timeout } from '../option-schemas.ts';

const RETRIES = ['never', 'undelivered', 'idempotent'] as const;

export const poolExecuteOptionsSchema = executeOptionsSchema.extend({
  /** Which executions of a member that was lost are executed again: those that were not delivered, or also those with an unknown outcome. */
  retry: z.enum(RETRIES).default('undelivered'),
});
export const defaultPoolExecuteOptions = poolExecuteOptionsSchema.parse({});

const members = z.int().min(0).max(1_000);

/** `max` is the greater of `min` and 1 where it is not given. */
export const poolSchema = z
  .strictObject({
    min: members.default(1),
    max: members.min(1).optional(),
    warm: members.default(0),
    idle: timeout.default(30_000),
    recycleAfter: z.int().min(1).optional(),
    queue: z.int().min(0).max(1_000_000).default(1_024),
    maxConcurrency: z.int().min(1).max(1_024).default(1),
  })
  .transform(pool => ({ ...pool, max: pool.max ?? Math.max(1, pool.min) }))
  .refine(({ min, max }) => min <= max, { error: '`min` must not be above `max`' })
  .refine(({ warm, max }) => warm <= max, { error: '`warm` must not be above `max`' });

export const poolStopOptionsSchema = z.strictObject({ grace: duration.optional(), drain: z.boolean().default(false) });

export type { PoolExecuteOptions } from '../options/pool.ts';
export type ParsedPoolExecuteOptions = z.output<typeof poolExecuteOptionsSchema>;
export type ParsedPoolOptions = z.output<typeof poolSchema>;

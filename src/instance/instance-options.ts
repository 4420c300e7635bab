// The options of one instance: those of its spec, and of createSpearlet() where the spec has none.
import { SpearletError } from '../errors.ts';
import type { ParsedOptions, ParsedSpec } from '../option-schemas.ts';

/** Throws INVALID_OPTIONS where `backoff.min` of one is above `backoff.max` of the other. */
export function instanceOptions(options: ParsedOptions, spec: ParsedSpec | null): ParsedOptions {
  const { intensity, period, backoff } = options.restart;
  const min = spec?.backoff?.min ?? backoff.min;
  const max = spec?.backoff?.max ?? backoff.max;
  if (min > max) {
    const message = `\`min\` must not be above \`max\`: it is ${min}, and \`max\` ${max}`;
    throw new SpearletError('INVALID_OPTIONS', `invalid spec: backoff.min: ${message}`, {
      artifactId: spec?.artifactId,
      issues: [{ path: 'backoff.min', value: min, message }],
      hint: 'What `backoff` of the spec does not name comes from `restart.backoff` of createSpearlet(). Name both.',
    });
  }
  return {
    ...options,
    grace: spec?.grace ?? options.grace,
    connectTimeout: spec?.connectTimeout ?? options.connectTimeout,
    restart: {
      intensity: spec?.intensity ?? intensity,
      period: spec?.period ?? period,
      backoff: { min, max, jitter: spec?.backoff?.jitter ?? backoff.jitter },
    },
  };
}

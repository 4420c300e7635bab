// The default logger, and what it must never show. It knows pino and no instance.
import { pino } from 'pino';
import type { Logger } from '../options.ts';

/** Names under which a secret could reach a log line by mistake. No code of ours logs one; this is the second lock. */
const SECRET = ['token', '*.token', 'SPEARLET_TOKEN', '*.SPEARLET_TOKEN', 'environment', '*.environment', 'auth', '*.auth'];

/** pino at 'info' to stderr, or what the embedder gives; `false` is silence. */
export function createLogger(given: Logger | false | undefined): Logger {
  if (given === false) return pino({ level: 'silent' }) as never;
  return given ?? (pino({ name: 'spearlet', level: 'info', redact: SECRET }, pino.destination({ dest: 2, sync: true })) as never);
}

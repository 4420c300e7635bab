// The default logger, the secrets that it hides, and guards around loggers and observers of the embedder. It does not know
// instances.
import { pino } from 'pino';
import { bounds } from '../limits.ts';
import type { Inspect, Logger } from '../options.ts';
import { printableJson } from '../printable.ts';
import { type Kept, stderr } from '../world/stdio.ts';

/** Keys under which a secret could reach a log line by mistake. No code logs these; the redaction is a second protection. */
const SECRET = ['token', '*.token', 'SPEARLET_TOKEN', '*.SPEARLET_TOKEN', 'environment', '*.environment', 'auth', '*.auth'];

/** pino's own destinations block when stderr is full, or grow without a bound, or lose the last lines: see src/world/stdio.ts. */
function createDefaultLogger(): Logger {
  let line = '';
  const gapLogger = pino({ name: 'spearlet' }, { write: (text: string) => void (line = text) });
  const kept: Kept = {
    bytes: bounds.unreadLines,
    gap(droppedLines, droppedBytes) {
      gapLogger.warn({ droppedLines, droppedBytes }, 'log lines are missing here: stderr was not read, or could not be written to');
      return line;
    },
  };
  return pino(
    { name: 'spearlet', level: 'info', redact: SECRET },
    { write: (text: string) => stderr.write(printableJson(text), kept) },
  ) as never;
}

/** The embedder's logger; by default pino at 'info' to stderr; `false` logs nothing. */
export function createLogger(given: Logger | false | undefined): Logger {
  if (given === false) return pino({ level: 'silent' }) as never;
  return given ?? createDefaultLogger();
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;

/** Wraps a logger so that it cannot throw: lines are written during the transition of a chart, which must not throw. */
export function guarded(logger: Logger): Logger {
  const safe: Record<string, unknown> = {};
  for (const level of LEVELS) {
    safe[level] = (facts: object, message: string): void => {
      try {
        logger[level](facts, message);
      } catch {
        // A broken logger of the embedder must not break the engine.
      }
    };
  }
  safe.child = (bindings: Record<string, unknown>): Logger => {
    try {
      return guarded(logger.child(bindings));
    } catch {
      return safe as never as Logger;
    }
  };
  return safe as never as Logger;
}

/** Joins inspection observers into one that cannot throw. Each observer gets every event. */
export function guardedInspect(...observers: readonly Inspect[]): (event: unknown) => void {
  return event => {
    for (const observer of observers) {
      try {
        if (typeof observer === 'function') observer(event as never);
        else observer.next?.(event as never);
      } catch {
        // The same holds for a broken observer.
      }
    }
  };
}

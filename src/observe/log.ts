// The default logger, the secrets that it hides, and guards around loggers and observers of the embedder. It does not know
// instances.
import { pino } from 'pino';
import { bounds } from '../limits.ts';
import type { Inspect, Logger } from '../option-schemas.ts';
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

/** A logger that cannot throw: lines are written during the transition of a chart, which must not throw. */
class GuardedLogger implements Logger {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  trace(facts: object, message: string): void {
    this.#write('trace', facts, message);
  }
  debug(facts: object, message: string): void {
    this.#write('debug', facts, message);
  }
  info(facts: object, message: string): void {
    this.#write('info', facts, message);
  }
  warn(facts: object, message: string): void {
    this.#write('warn', facts, message);
  }
  error(facts: object, message: string): void {
    this.#write('error', facts, message);
  }

  child(bindings: Record<string, unknown>): Logger {
    try {
      return new GuardedLogger(this.#logger.child(bindings));
    } catch {
      return this;
    }
  }

  #write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error', facts: object, message: string): void {
    try {
      this.#logger[level](facts, message);
    } catch {
      // A broken logger of the embedder must not break the engine.
    }
  }
}

export const guarded = (logger: Logger): Logger => new GuardedLogger(logger);

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

// The default logger, and what it must never show. It knows pino and no instance.
import { pino } from 'pino';
import { bounds } from '../limits.ts';
import type { Inspect, Logger } from '../options.ts';
import { printableJson } from '../printable.ts';
import { type Kept, stderr } from '../world/stdio.ts';

/** Names under which a secret could reach a log line by mistake. No code of ours logs one; this is the second lock. */
const SECRET = ['token', '*.token', 'SPEARLET_TOKEN', '*.SPEARLET_TOKEN', 'environment', '*.environment', 'auth', '*.auth'];

/** pino's own destinations block where stderr is full, or grow, or lose their end; see src/stdio.ts. */
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

/** pino at 'info' to stderr, or what the embedder gives; `false` is silence. */
export function createLogger(given: Logger | false | undefined): Logger {
  if (given === false) return pino({ level: 'silent' }) as never;
  return given ?? createDefaultLogger();
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;

/** A logger that cannot throw: lines are written in the middle of a chart's step, where nothing may. */
export function guarded(logger: Logger): Logger {
  const safe: Record<string, unknown> = {};
  for (const level of LEVELS) {
    safe[level] = (facts: object, message: string): void => {
      try {
        logger[level](facts, message);
      } catch {
        // The embedder's logger is broken; the registry is not.
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

/** Inspection observers as one that cannot throw either; each gets every event. */
export function guardedInspect(...observers: readonly Inspect[]): (event: unknown) => void {
  return event => {
    for (const observer of observers) {
      try {
        if (typeof observer === 'function') observer(event as never);
        else observer.next?.(event as never);
      } catch {
        // As above.
      }
    }
  };
}

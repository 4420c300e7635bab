// How long an instance waits for its agent to reconnect, by its transport.
import type { ParsedOptions, Transport } from '../option-schemas.ts';

/**
 * An inherited socket cannot be opened again: its loss is the end of the incarnation. A program that exits also loses it, a little
 * before the exit is known, and has this long to be known as exited, in ms.
 */
const EXIT_WINDOW = 250;

export const reconnectWindowOf = (transport: Transport, { reconnectWindow }: ParsedOptions): number =>
  transport === 'fd' ? Math.min(EXIT_WINDOW, reconnectWindow) : reconnectWindow;

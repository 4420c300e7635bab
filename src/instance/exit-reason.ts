// Which ends of an incarnation are orderly: meant by somebody, or a success. The command line uses it without loading the engine.
import type { ExitReason } from '../../machines/public-types.ts';

const ORDERLY: readonly ExitReason[] = ['completed', 'stopped', 'restarted'];

/** Whether an end for this reason is no failure. */
export const isOrderly = (reason: ExitReason): boolean => ORDERLY.includes(reason);

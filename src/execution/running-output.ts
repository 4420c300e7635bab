// What an execution writes while it runs: on its way to those who read it, joined where `collect` asks for it, and counted.
import { bounds } from '../limits.ts';
import { createCollected } from './collected.ts';
import { createUpdates, type Updates } from './updates.ts';

export interface RunningOutput {
  readonly updates: Updates;
  /** Bytes that the agent has written as far as is known: arrived or lost. */
  readonly writtenBytes: number;
  /** Bytes that were lost with a connection, and with `collect` those beyond its bound. */
  readonly truncatedBytes: number;
  add(output: string): void;
  /** The agent has written so many bytes; what of them has not arrived never will. */
  advance(writtenBytes: number): void;
  /** What `collect` has joined. */
  collected(): string;
}

export function createRunningOutput(taskId: string, collect: boolean, throttle: (on: boolean) => void): RunningOutput {
  const updates = createUpdates(taskId, { kept: bounds.keptUpdates, slow: bounds.slowReader }, throttle);
  const collected = collect ? createCollected(bounds.collected) : null;
  let writtenBytes = 0;
  let truncatedBytes = 0;
  return {
    updates,
    get writtenBytes() {
      return writtenBytes;
    },
    get truncatedBytes() {
      return truncatedBytes;
    },
    add(output) {
      const bytes = Buffer.byteLength(output);
      writtenBytes += bytes;
      if (collected !== null) truncatedBytes += collected.add(output, bytes);
      updates.push({ taskId, status: 'running', output }, bytes);
    },
    advance(written) {
      const lost = written - writtenBytes;
      if (lost <= 0) return;
      writtenBytes = written;
      truncatedBytes += lost;
      updates.lose(lost);
    },
    collected: () => collected?.join() ?? '',
  };
}

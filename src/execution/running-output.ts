// The output of an execution while it runs: decoded, passed to its readers, joined where `collect` asks for it, and counted.
import { StringDecoder } from 'node:string_decoder';
import { bounds } from '../limits.ts';
import { textOf } from '../protocol/text.ts';
import { createCollected, type OutputData } from './collected.ts';
import { createUpdates, type Updates } from './updates.ts';

export type OutputChannel = 'stdout' | 'stderr';

export interface RunningOutput {
  readonly updates: Updates;
  /** Bytes that the agent has written as far as is known: arrived or lost. */
  readonly writtenBytes: number;
  /** Bytes that were lost with a connection, and with `collect` those beyond its bound. */
  readonly truncatedBytes: number;
  /** A reader has fallen behind. */
  readonly isHeldBack: boolean;
  /** Bytes by which its window has grown. */
  readonly lentBytes: number;
  add(output: OutputData, channel: OutputChannel | undefined): void;
  /** The agent has written this many bytes; those of them that have not arrived are lost. */
  advance(writtenBytes: number): void;
  /** What `collect` has joined, followed by the output of the terminal response. */
  collected(last: OutputData | null): OutputData | null;
  /** No more output comes: an incomplete code point is passed on as U+FFFD. */
  end(): void;
}

export interface RunningOutputOptions {
  readonly collect: boolean;
  readonly encoding: 'utf8' | 'buffer';
}

export interface RunningOutputOwner {
  /** Output that is kept for a slow reader, in bytes. Beyond it the reader has fallen behind. */
  readonly readAhead: number;
  /** A reader has fallen behind (true), or has caught up. */
  throttle(on: boolean): void;
  /** Output of this many bytes was taken: the agent may send as much again. */
  taken(bytes: number): void;
  /** Asks for a window that is larger by this many bytes. Returns whether the instance has them left. */
  lend(bytes: number): boolean;
}

export function createRunningOutput(
  taskId: string,
  { collect, encoding }: RunningOutputOptions,
  { readAhead, throttle, taken, lend }: RunningOutputOwner,
): RunningOutput {
  let isThrottled = false;
  /** Output that the agent may send on wire v2 before it was taken. */
  let window: number = bounds.window;
  /** Output that was taken, without the agent knowing of it. */
  let owedBytes = 0;
  /** A reader has fallen behind since the agent was last told. */
  let wasThrottled = false;
  /** Output is taken when no reader has fallen behind. The agent is told when half of its window was taken. */
  const take = (bytes: number): void => {
    owedBytes += bytes;
    if (isThrottled || isOver || owedBytes < window / 2) return;
    // Readers that keep up get a larger window: the agent need not wait, and is told less often.
    if (!wasThrottled && window < bounds.largestWindow && lend(window)) {
      owedBytes += window;
      window *= 2;
    }
    wasThrottled = false;
    taken(owedBytes);
    owedBytes = 0;
  };
  const updates = createUpdates(taskId, { kept: bounds.keptUpdates, slow: readAhead }, on => {
    isThrottled = on;
    wasThrottled = true;
    throttle(on);
    if (!on) take(0);
  });
  let isOver = false;
  const collected = collect ? createCollected(bounds.collected) : null;
  let writtenBytes = 0;
  let truncatedBytes = 0;
  /** By channel, once a code point was split between two outputs. */
  let decoders: Partial<Record<OutputChannel, StringDecoder>> | null = null;

  const decode = (bytes: Buffer, channel: OutputChannel): string => {
    const decoder = decoders?.[channel];
    if (decoder !== undefined) return decoder.write(bytes);
    if (bytes.length === 0 || bytes[bytes.length - 1]! < 0x80) return textOf(bytes, 0, bytes.length);
    decoders ??= {};
    decoders[channel] = new StringDecoder('utf8');
    return decoders[channel].write(bytes);
  };
  /** Readers count the bytes of the texts that they get: a code point that is cut between two outputs comes with the second. */
  const pass = (output: OutputData, channel: OutputChannel | undefined): void => {
    const bytes = Buffer.byteLength(output);
    if (collected !== null) truncatedBytes += collected.add(output, bytes);
    updates.push(channel === undefined ? { taskId, status: 'running', output } : { taskId, status: 'running', output, channel }, bytes);
  };

  return {
    updates,
    get writtenBytes() {
      return writtenBytes;
    },
    get isHeldBack() {
      return isThrottled;
    },
    get lentBytes() {
      return window - bounds.window;
    },
    get truncatedBytes() {
      return truncatedBytes;
    },
    add(output, channel) {
      writtenBytes += Buffer.byteLength(output);
      if (typeof output === 'string') pass(output, channel);
      // A copy: the buffer belongs to the connection, and holds more than this output.
      else if (encoding === 'buffer') pass(Buffer.from(output), channel);
      else pass(decode(output, channel ?? 'stdout'), channel);
      if (typeof output !== 'string') take(output.length);
    },
    advance(written) {
      const lost = written - writtenBytes;
      if (lost <= 0) return;
      writtenBytes = written;
      truncatedBytes += lost;
      updates.lose(lost);
    },
    collected(last) {
      const all = collected?.join(last) ?? last;
      return all?.length === 0 ? last : all;
    },
    end() {
      isOver = true;
      for (const channel of ['stdout', 'stderr'] as const) {
        const rest = decoders?.[channel]?.end();
        if (rest) pass(rest, channel);
      }
    },
  };
}

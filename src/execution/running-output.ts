// The output of an execution while it runs: decoded, passed to its readers, joined where `collect` asks for it, and counted.
import { isAscii } from 'node:buffer';
import { StringDecoder } from 'node:string_decoder';
import { SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';
import type { OutputChannel } from '../protocol/message.ts';
import { textOf } from '../protocol/text.ts';
import { type Collected, createCollected, type OutputData } from './collected.ts';
import type { ExecutionUpdate } from './update.ts';
import { createUpdates, type Updates } from './updates.ts';

export interface RunningOutput {
  readonly updates: Updates;
  /** Bytes that the agent has written as far as is known: arrived or lost. */
  readonly writtenBytes: number;
  /** A reader has fallen behind. */
  readonly isHeldBack: boolean;
  /** Throws PROTOCOL_ERROR where the agent had no credit for it. */
  add(output: OutputData, channel: OutputChannel | undefined): void;
  /** The agent has written this many bytes; those of them that have not arrived are lost. */
  advance(writtenBytes: number): void;
  /**
   * The agent says how far it is. `bytes`: of `value` on the wire. `isCharged`: they need credit, as output does on wire v2. Throws
   * PROTOCOL_ERROR where the agent had none.
   */
  progress(value: unknown, bytes: number, isCharged: boolean): void;
  /** The output of the result. `last`: the output of the terminal response. */
  collected(last: OutputData | null): CollectedOutput;
  /** No more output comes: an incomplete code point is passed on as U+FFFD. */
  end(): void;
  /** The execution has ended: no more is granted to the agent, and what was lent for its window is given back. */
  close(): void;
}

export interface CollectedOutput {
  readonly output: OutputData | null;
  readonly stderr: OutputData | null;
  /** Bytes that were lost with a connection, and those beyond the bound of the result. */
  readonly truncatedBytes: number;
}

export interface RunningOutputOptions {
  /** What the result keeps of each channel, in bytes; true: the most. Undefined: only if the terminal response has no output. */
  readonly collect?: boolean | number | undefined;
  readonly encoding: 'utf8' | 'buffer';
}

export interface RunningOutputOwner {
  /** A reader has fallen behind (true), or has caught up. */
  throttle(on: boolean): void;
  /** The agent may send this many bytes more. On wire v2. */
  grant(bytes: number): void;
  /** Asks for a window that is larger by this many bytes; negative: gives them back. Returns whether the instance has them left. */
  lend(bytes: number): boolean;
}

export function createRunningOutput(
  taskId: string,
  { collect, encoding }: RunningOutputOptions,
  { throttle, grant, lend }: RunningOutputOwner,
): RunningOutput {
  let isThrottled = false;
  /** The output arrives on wire v2: the agent begins no output without credit. */
  let hasWindow = false;
  let credit: number = bounds.window;
  /** Bytes that the agent may send before a reader has taken them. */
  let window: number = bounds.window;
  /** Bytes that readers have taken and that were not granted again yet. */
  let owed = 0;
  /** Bytes that readers have taken since the window has its size. */
  let takenSince = 0;
  const updates = createUpdates(
    taskId,
    { kept: bounds.keptUpdates, slow: bounds.slowReader },
    {
      throttle(on) {
        isThrottled = on;
        throttle(on);
      },
      taken(bytes, isAll) {
        owed += bytes;
        takenSince += bytes;
        if (isOver || !hasWindow) return;
        // For readers that keep up: the agent waits less, and gets fewer grants.
        if (isAll && takenSince >= window / 2 && window < bounds.largestWindow && lend(window)) {
          owed += window;
          window *= 2;
          takenSince = 0;
        }
        if (owed < window / 2) return;
        credit += owed;
        grant(owed);
        owed = 0;
      },
    },
  );
  let isOver = false;
  const kept = collect === true ? bounds.collected : (collect ?? bounds.collectedByDefault);
  const stdout = kept === false ? null : createCollected(kept);
  /** Made when first needed: most programs write nothing there. */
  let stderr: Collected | null = null;
  let writtenBytes = 0;
  let lostBytes = 0;
  /** By channel, once a code point was split between two outputs. */
  let decoders: Partial<Record<OutputChannel, StringDecoder>> | null = null;

  const decode = (bytes: Buffer, channel: OutputChannel): string => {
    const decoder = decoders?.[channel];
    if (decoder !== undefined) return decoder.write(bytes);
    if (bytes.length === 0 || bytes[bytes.length - 1]! < 0x80) return textOf(bytes);
    decoders ??= {};
    decoders[channel] = new StringDecoder('utf8');
    return decoders[channel].write(bytes);
  };
  /** Readers count the bytes of the texts that they get: a code point that is cut between two outputs comes with the second. */
  const pass = (output: OutputData, channel: OutputChannel | undefined, arrived: number, bytes = Buffer.byteLength(output)): void => {
    if (kept !== false) (channel === 'stderr' ? (stderr ??= createCollected(kept)) : stdout!).add(output, bytes);
    const update: ExecutionUpdate<OutputData> =
      channel === undefined ? { taskId, status: 'running', output } : { taskId, status: 'running', output, channel };
    updates.push(update, bytes, arrived);
  };
  /** On wire v2: what the agent sends for a reader takes up credit. */
  const charge = (bytes: number): void => {
    if (credit <= 0 && bytes > 0) throw new SpearletError('PROTOCOL_ERROR', 'the agent sent more output than it was granted');
    hasWindow = true;
    credit -= bytes;
  };

  return {
    updates,
    get writtenBytes() {
      return writtenBytes;
    },
    get isHeldBack() {
      return isThrottled || credit <= 0;
    },
    add(output, channel) {
      const bytes = Buffer.byteLength(output);
      writtenBytes += bytes;
      if (typeof output === 'string') return pass(output, channel, bytes, bytes);
      charge(bytes);
      // A copy: the buffer belongs to the connection, and holds more than this output.
      if (encoding === 'buffer') pass(Buffer.from(output), channel, bytes, bytes);
      else if (decoders === null && isAscii(output)) pass(output.toString('latin1'), channel, bytes, bytes);
      else pass(decode(output, channel ?? 'stdout'), channel, bytes);
    },
    advance(written) {
      const lost = written - writtenBytes;
      if (lost <= 0) return;
      writtenBytes = written;
      lostBytes += lost;
      if (hasWindow) credit -= lost;
      updates.lose(lost);
    },
    progress(value, bytes, isCharged) {
      if (isCharged) charge(bytes);
      updates.push({ taskId, status: 'running', type: 'progress', progress: value }, 0, bytes);
    },
    collected(last) {
      const hasLast = last !== null && last.length > 0;
      const isJoined = stdout !== null && (collect !== undefined || !hasLast);
      return {
        output: isJoined ? stdout.join(last) : last,
        stderr: stderr?.join(null) ?? null,
        truncatedBytes: lostBytes + (isJoined ? stdout.dropped : 0) + (stderr?.dropped ?? 0),
      };
    },
    end() {
      for (const channel of ['stdout', 'stderr'] as const) {
        const rest = decoders?.[channel]?.end();
        if (rest) pass(rest, channel, 0);
      }
    },
    close() {
      isOver = true;
      lend(bounds.window - window);
      window = bounds.window;
    },
  };
}

// Sends the answers of an agent to its host, in order, over one connection after another. Answers wait here while there is no connection
// or while it has too many unsent bytes. This file does not know handlers.

import type { AgentChannel } from '../connection/channel.ts';
import { reasonOf } from '../errors.ts';
import { bounds } from '../limits.ts';
import type { AgentCodec } from '../protocol/codec.ts';
import type { U64 } from '../protocol/message.ts';
import type { Pieces } from '../protocol/pieces.ts';
import { type Answer, failed } from './result.ts';

/** Which answers of one execution were sent. */
export interface Delivery {
  readonly requestId: U64;
  readonly taskId: string;
  /** The number of the session that brought the request. */
  readonly session: number;
  startedSent: boolean;
  /** Bytes of Running output that were given to a channel, as UTF-8. */
  sentBytes: number;
  /** Output is sent while this is above 0, in bytes. */
  credit: number;
  /** The answers that wait for credit, and those behind them. */
  waiting: QueuedAnswer[];
}

/** An output or a result that was not given to a channel yet. */
interface QueuedAnswer {
  readonly delivery: Delivery;
  readonly answer: Answer;
  readonly outputBytes: number;
  /** The frame of the answer for the session of its request. Null: not encoded yet. */
  readonly frame: Buffer | Pieces | null;
  readonly sent: () => void;
}

interface SentResult {
  readonly delivery: Delivery;
  readonly answer: Answer;
  /** Of its frame, in bytes. */
  readonly size: number;
}

export interface Answers {
  /** The number of outputs and results that were not given to a channel yet. */
  readonly queued: number;
  delivery(requestId: U64, taskId: string): Delivery;
  /** Sends Started once. Without a connection it does nothing: `attach` sends Started. */
  started(delivery: Delivery): void;
  /** Resolves when the output was given to a channel: then the caller may write more. */
  output(delivery: Delivery, output: string | Buffer, channel?: 'stderr'): Promise<void>;
  /** The host takes bytes. If not, it takes texts only. */
  readonly carriesBytes: boolean;
  /** The terminal answer of an execution. If it cannot be sent, a Failed with the reason is sent instead. */
  result(delivery: Delivery, answer: Answer): void;
  /** A session is open. Sends Started for each running execution, then the latest results again, then the queue. */
  attach(channel: AgentChannel, running: Iterable<Delivery>): void;
  detach(): void;
  /** Sends queued answers until the channel has too many unsent bytes, and resolves the writes that wait for them. */
  resumeWriters(): void;
  /** The host takes more output of this execution. */
  window(requestId: U64, bytes: number): void;
  /** Drops the queue and resolves all waiting writes. Nothing is sent after this. */
  close(): void;
}

/** `idle` is called when the queue has become empty. */
export function createAnswers(maxFrameBytes: number, idle: () => void): Answers {
  let channel: AgentChannel | null = null;
  /** Of the last session. Requests come only by a session, so there is one before the first answer. */
  let codec: AgentCodec | null = null;
  let session = 0;
  let queue: QueuedAnswer[] = [];
  /** The executions whose answers wait for credit, and the number of these answers. */
  const stalled = new Set<Delivery>();
  let waiting = 0;
  /** By request id, until the result is sent: it may wait after its task has ended. */
  const deliveries = new Map<U64, Delivery>();
  /** The host may have missed these results. It ignores those that it has. */
  const sentResults: SentResult[] = [];
  let sentResultsSize = 0;

  /**
   * Bytes that were given to a lost connection may not have arrived, and the host cannot count what it did not receive. So each
   * answer in a later session than its request says how many bytes of output came before it.
   */
  const encode = ({ requestId, taskId, session: requestSession, sentBytes }: Delivery, answer: Answer): Buffer | Pieces =>
    codec!.executeResponse(
      requestId,
      codec!.carriesBytes || requestSession === session ? { taskId, ...answer } : { taskId, ...answer, outputOffset: sentBytes },
    );

  const send = (delivery: Delivery, answer: Answer, encoded: Buffer | Pieces | null = null): number => {
    const frame = delivery.session === session && encoded !== null ? encoded : encode(delivery, answer);
    channel?.send(frame, sender);
    return frame.length;
  };

  const sendStarted = (delivery: Delivery): void => {
    delivery.startedSent = true;
    send(delivery, { status: 'Started', output: null, error: null, exitCode: null });
  };
  const started = (delivery: Delivery): void => {
    if (!delivery.startedSent && channel !== null) sendStarted(delivery);
  };

  const keepSentResult = (result: SentResult): void => {
    sentResults.push(result);
    sentResultsSize += result.size;
    const tooMany = (): boolean =>
      sentResults.length > bounds.agentReplayedResults || (sentResultsSize > bounds.agentReplayedSize && sentResults.length > 1);
    while (tooMany()) sentResultsSize -= sentResults.shift()!.size;
  };

  const resumeWriters = (): void => {
    let count = 0;
    while (channel !== null && count < queue.length && channel.pending <= bounds.agentUnsent) {
      const queued = queue[count]!;
      const { delivery, answer, outputBytes, frame, sent } = queued;
      count += 1;
      if (delivery.waiting.length > 0 || (outputBytes > 0 && delivery.credit <= 0)) {
        // The others need not wait for the reader of this execution.
        delivery.waiting.push(queued);
        stalled.add(delivery);
        waiting += 1;
        continue;
      }
      delivery.credit -= outputBytes;
      if (answer.status !== 'Running') deliveries.delete(delivery.requestId);
      const size = send(delivery, answer, frame);
      delivery.sentBytes += outputBytes;
      // On wire v2 the channel keeps what is not acknowledged.
      if (answer.status !== 'Running' && !codec!.carriesBytes) keepSentResult({ delivery, answer, size });
      sent();
    }
    if (count === 0) return;
    queue.splice(0, count);
    if (queue.length + waiting === 0) idle();
  };
  const sender = { written: resumeWriters };

  /** The host ends the connection if it cannot read an answer, and again after each reconnect. So Failed replaces it. */
  const sendable = (delivery: Delivery, answer: Answer): { answer: Answer; frame: Buffer | Pieces | null } => {
    try {
      const frame = encode(delivery, answer);
      // While there is no session the frame is not kept: it takes several times the memory of the answer.
      if (frame.length <= maxFrameBytes) return { answer, frame: channel === null ? null : frame };
      return { answer: failed('the answer is too large for one message: send it in pieces, with write()'), frame: null };
    } catch (thrown) {
      return { answer: failed(reasonOf(thrown)), frame: null };
    }
  };

  return {
    get queued() {
      return queue.length + waiting;
    },
    delivery(requestId, taskId) {
      const credit = codec?.carriesBytes ? bounds.window : Number.POSITIVE_INFINITY;
      const delivery = { requestId, taskId, session, startedSent: false, sentBytes: 0, credit, waiting: [] };
      if (codec?.carriesBytes) deliveries.set(requestId, delivery);
      return delivery;
    },
    started,
    get carriesBytes() {
      return codec?.carriesBytes ?? false;
    },
    output(delivery, output, channel) {
      started(delivery);
      const answer: Answer = { status: 'Running', output, error: null, exitCode: null, channel };
      return new Promise(sent => {
        queue.push({ delivery, answer, outputBytes: Buffer.byteLength(output), frame: null, sent });
        resumeWriters();
      });
    },
    result(delivery, answer) {
      queue.push({ delivery, ...sendable(delivery, answer), outputBytes: 0, sent() {} });
      resumeWriters();
    },
    attach(opened, running) {
      channel = opened;
      codec = opened.codec;
      session += 1;
      // On wire v2 the channel sends again what the host lacks.
      if (!codec.carriesBytes) {
        for (const delivery of running) sendStarted(delivery);
        for (const { delivery, answer } of sentResults) send(delivery, answer);
      } else for (const delivery of running) started(delivery);
      resumeWriters();
    },
    detach() {
      channel = null;
    },
    resumeWriters,
    window(requestId, bytes) {
      const delivery = deliveries.get(requestId);
      if (delivery === undefined) return;
      delivery.credit += bytes;
      if (delivery.waiting.length === 0 || delivery.credit <= 0) return;
      queue.unshift(...delivery.waiting);
      waiting -= delivery.waiting.length;
      delivery.waiting = [];
      stalled.delete(delivery);
      resumeWriters();
    },
    close() {
      channel = null;
      const unsent = [...queue, ...Array.from(stalled, delivery => delivery.waiting).flat()];
      queue = [];
      stalled.clear();
      waiting = 0;
      for (const { sent } of unsent) sent();
    },
  };
}

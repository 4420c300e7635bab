// Sends the answers of an agent to its host, in order, over one connection after another. Answers wait here while there is no connection
// or while it has too many unsent bytes. This file does not know handlers.

import type { AgentChannel } from '../connection/channel.ts';
import { reasonOf } from '../errors.ts';
import { bounds } from '../limits.ts';
import type { AgentCodec } from '../protocol/codec.ts';
import type { AgentSignal, U64 } from '../protocol/message.ts';
import type { Pieces } from '../protocol/pieces.ts';
import { encodeAgentSignal } from '../protocol/signal.ts';
import type { Delivery, QueuedAnswer } from './delivery.ts';
import { type Answer, failed } from './result.ts';
import { SentResults } from './sent-results.ts';

export interface Answers {
  /** The number of outputs and results that were not given to a channel yet. */
  readonly queued: number;
  delivery(requestId: U64, taskId: string): Delivery;
  /** Sends Started once. Without a connection it does nothing: `attach` sends Started. */
  started(delivery: Delivery): void;
  /** Resolves when the output was given to a channel: then the caller may write more. */
  output(delivery: Delivery, output: string | Buffer, channel?: 'stderr'): Promise<void>;
  /** The same for a signal. Progress needs credit, as output does; an exception does not. */
  signal(delivery: Delivery, signal: Pick<AgentSignal, 'signal' | 'value'>): Promise<void>;
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

/** What `output` returns when nothing has to wait: most output is given to the channel at once. */
const GIVEN = Promise.resolve();

/** A class, because V8 is slow with object literals that have getters. */
class AnswerQueue implements Answers {
  readonly #maxFrameBytes: number;
  readonly #idle: () => void;
  #channel: AgentChannel | null = null;
  /** The codec of the last session. Never null once a request has arrived. */
  #codec: AgentCodec | null = null;
  #session = 0;
  #queue: QueuedAnswer[] = [];
  /** The executions whose answers wait for credit, and the number of these answers. */
  readonly #stalled = new Set<Delivery>();
  #waiting = 0;
  /** By request id, until the result is sent: it may wait after its task has ended. */
  readonly #deliveries = new Map<U64, Delivery>();
  /** The host may have missed these results. It ignores those that it has. */
  readonly #sentResults = new SentResults<Delivery>();
  readonly #sender = { written: (): void => this.resumeWriters() };

  constructor(maxFrameBytes: number, idle: () => void) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#idle = idle;
  }

  get queued(): number {
    return this.#queue.length + this.#waiting;
  }

  get carriesBytes(): boolean {
    return this.#codec?.carriesBytes ?? false;
  }

  delivery(requestId: U64, taskId: string): Delivery {
    const hasWindows = this.carriesBytes;
    const credit = hasWindows ? bounds.window : Number.POSITIVE_INFINITY;
    const delivery = { requestId, taskId, session: this.#session, startedSent: false, sentBytes: 0, credit, waiting: [] };
    if (hasWindows) this.#deliveries.set(requestId, delivery);
    return delivery;
  }

  started(delivery: Delivery): void {
    if (delivery.startedSent || this.#channel === null) return;
    delivery.startedSent = true;
    this.#send(delivery, { status: 'Started', output: null, error: null, exitCode: null });
  }

  output(delivery: Delivery, output: string | Buffer, channel?: 'stderr'): Promise<void> {
    const answer: Answer = { status: 'Running', output, error: null, exitCode: null, channel };
    return this.#running(delivery, answer, Buffer.byteLength(output));
  }

  signal(delivery: Delivery, told: Pick<AgentSignal, 'signal' | 'value'>): Promise<void> {
    const bytes = Buffer.byteLength(encodeAgentSignal(told));
    const signal = { ...told, bytes } as AgentSignal;
    const answer: Answer = { status: 'Running', output: null, error: null, exitCode: null, signal };
    return this.#running(delivery, answer, signal.signal === 'progress' ? bytes : 0);
  }

  #running(delivery: Delivery, answer: Answer, outputBytes: number): Promise<void> {
    this.started(delivery);
    if (this.#queue.length === 0 && this.#hasRoom && !this.#isStalled(delivery, outputBytes)) {
      this.#give(delivery, answer, outputBytes, null);
      return GIVEN;
    }
    return new Promise(sent => {
      this.#queue.push({ delivery, answer, outputBytes, frame: null, sent });
      this.resumeWriters();
    });
  }

  result(delivery: Delivery, result: Answer): void {
    const { answer, frame } = this.#sendable(delivery, result);
    if (this.#queue.length > 0 || !this.#hasRoom || delivery.waiting.length > 0) {
      // While there is no session the frame is not kept: it takes several times the memory of the answer.
      this.#queue.push({ delivery, answer, outputBytes: 0, frame: this.#channel === null ? null : frame, sent() {} });
      return this.resumeWriters();
    }
    this.#give(delivery, answer, 0, frame);
    if (this.queued === 0) this.#idle();
  }

  attach(opened: AgentChannel, running: Iterable<Delivery>): void {
    this.#channel = opened;
    this.#codec = opened.codec;
    this.#session += 1;
    for (const delivery of running) {
      // On wire v2 the channel sends again what the host lacks.
      if (!this.carriesBytes) delivery.startedSent = false;
      this.started(delivery);
    }
    if (!this.carriesBytes) for (const { delivery, answer } of this.#sentResults.all) this.#send(delivery, answer);
    this.resumeWriters();
  }

  detach(): void {
    this.#channel = null;
  }

  resumeWriters(): void {
    let count = 0;
    while (count < this.#queue.length && this.#hasRoom) {
      const queued = this.#queue[count]!;
      const { delivery, answer, outputBytes, frame, sent } = queued;
      count += 1;
      if (this.#isStalled(delivery, outputBytes)) {
        // The others need not wait for the reader of this execution.
        delivery.waiting.push(queued);
        this.#stalled.add(delivery);
        this.#waiting += 1;
        continue;
      }
      this.#give(delivery, answer, outputBytes, frame);
      sent();
    }
    if (count === 0) return;
    this.#queue.splice(0, count);
    if (this.queued === 0) this.#idle();
  }

  window(requestId: U64, bytes: number): void {
    const delivery = this.#deliveries.get(requestId);
    if (delivery === undefined) return;
    delivery.credit += bytes;
    if (delivery.waiting.length === 0 || delivery.credit <= 0) return;
    this.#queue.unshift(...delivery.waiting);
    this.#waiting -= delivery.waiting.length;
    delivery.waiting = [];
    this.#stalled.delete(delivery);
    this.resumeWriters();
  }

  close(): void {
    this.#channel = null;
    const unsent = [...this.#queue, ...Array.from(this.#stalled, delivery => delivery.waiting).flat()];
    this.#queue = [];
    this.#stalled.clear();
    this.#waiting = 0;
    for (const { sent } of unsent) sent();
  }

  get #hasRoom(): boolean {
    return this.#channel !== null && this.#channel.queue.pending <= bounds.agentUnsent;
  }

  /** The answer has to wait for the reader of its execution. */
  #isStalled({ waiting, credit }: Delivery, outputBytes: number): boolean {
    return waiting.length > 0 || (outputBytes > 0 && credit <= 0);
  }

  /** `frame`: of the answer, if it is encoded already. */
  #give(delivery: Delivery, answer: Answer, outputBytes: number, frame: Buffer | Pieces | null): void {
    const isLast = answer.status !== 'Running';
    delivery.credit -= outputBytes;
    if (isLast) this.#deliveries.delete(delivery.requestId);
    const size = this.#send(delivery, answer, frame);
    if (answer.signal === undefined) delivery.sentBytes += outputBytes;
    // On wire v2 the channel keeps what is not acknowledged.
    if (isLast && !this.#codec!.carriesBytes) this.#sentResults.add({ delivery, answer, size });
  }

  #send(delivery: Delivery, answer: Answer, encoded: Buffer | Pieces | null = null): number {
    const frame = delivery.session === this.#session && encoded !== null ? encoded : this.#encode(delivery, answer);
    this.#channel?.queue.add(frame, this.#sender);
    return frame.length;
  }

  /**
   * Bytes that were given to a lost connection may not have arrived, and the host cannot count what it did not receive. So each
   * answer in a later session than its request says how many bytes of output came before it.
   */
  #encode(
    { requestId, taskId, session, sentBytes }: Delivery,
    { status, output, error, exitCode, channel, signal }: Answer,
  ): Buffer | Pieces {
    const codec = this.#codec!;
    const outputOffset = codec.carriesBytes || session === this.#session ? undefined : sentBytes;
    return codec.executeResponse(requestId, { taskId, status, output, error, exitCode, channel, outputOffset, signal });
  }

  /** The host ends the connection if it cannot read an answer, and again after each reconnect. So Failed replaces it. */
  #sendable(delivery: Delivery, answer: Answer): { answer: Answer; frame: Buffer | Pieces | null } {
    try {
      const frame = this.#encode(delivery, answer);
      if (frame.length <= this.#maxFrameBytes) return { answer, frame };
      return { answer: failed('the answer is too large for one message: send it in pieces, with write()'), frame: null };
    } catch (thrown) {
      return { answer: failed(reasonOf(thrown)), frame: null };
    }
  }
}

/** `idle` is called when the queue has become empty. */
export const createAnswers = (maxFrameBytes: number, idle: () => void): Answers => new AnswerQueue(maxFrameBytes, idle);

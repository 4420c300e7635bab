// How requests leave the request table: at once where they can, else they wait: for a session, for their input, or for an end of others.
import type { HostChannel } from '../connection/channel.ts';
import { type ErrorFacts, SpearletError } from '../errors.ts';
import type { ParsedOptions, ParsedRequest } from '../options.ts';
import type { U64 } from '../protocol/message.ts';
import type { InputSource } from '../request-input.ts';
import type { ActiveExecution } from './active-execution.ts';
import { isSource, readInput } from './read-input.ts';
import { refusal } from './refused.ts';
import { checkSize, encodeRequest, requestSize } from './request.ts';
import { Waiting } from './waiting.ts';

export class Sending {
  channel: HostChannel | null = null;
  /** What its agent has announced. */
  features: readonly string[] = [];
  /** Requests wait for the next session, although there is one. */
  isHeld = false;
  readonly waiting: Waiting<ActiveExecution>;
  readonly #options: Pick<ParsedOptions, 'maxQueuedBytes' | 'maxFrameBytes'>;
  readonly #ids: ErrorFacts;

  constructor(options: Pick<ParsedOptions, 'maxQueuedBytes' | 'maxFrameBytes'>, maxConcurrency: number | undefined, ids: ErrorFacts) {
    this.#options = options;
    this.waiting = new Waiting(maxConcurrency);
    this.#ids = ids;
  }

  /** Throws OVERLOADED. The bound counts requests and not frames: a frame of wire v1 has up to 4 bytes for a character. */
  checkRoom(size: number): void {
    const { channel, waiting, isHeld } = this;
    const sent = channel === null || isHeld ? 0 : Math.floor((channel.pending + channel.unacknowledged) / channel.codec.expansion);
    const queued = waiting.size + sent;
    const { maxQueuedBytes } = this.#options;
    if (queued === 0 || queued + size <= maxQueuedBytes) return;
    throw new SpearletError('OVERLOADED', `${queued} bytes are queued, the bound is maxQueuedBytes (${maxQueuedBytes})`, this.#ids);
  }

  /** Sends a request, or lets it wait. Throws FRAME_TOO_LARGE, UNSUPPORTED and INVALID_OPTIONS. */
  take(execution: ActiveExecution, request: ParsedRequest): void {
    const { input } = request;
    if (this.channel !== null && !this.isHeld && !this.waiting.isFull && !isSource(input))
      return this.#send(this.channel, execution, request);
    this.waiting.add(execution);
    if (isSource(input)) this.#load(execution, request, input);
  }

  /** Sends what may begin. */
  sendWaiting(): void {
    const { channel, waiting } = this;
    if (channel === null || this.isHeld) return;
    for (let next = waiting.take(); next !== null; next = waiting.take()) {
      try {
        this.#send(channel, next, next.request!);
      } catch (thrown) {
        this.#refuse(next, thrown);
      }
    }
  }

  /** The agent works on this one no more. */
  agentEnded(requestId: U64): void {
    if (this.waiting.end(requestId)) this.sendWaiting();
  }

  /** The session is gone: those that were not written wait for the next one. The agent may still work on the others. */
  lose(executions: Iterable<ActiveExecution>): void {
    this.channel = null;
    this.waiting.clear();
    for (const each of executions) {
      if (each.request === null) this.waiting.begin(each);
      else this.waiting.add(each);
    }
  }

  #send(channel: HostChannel, execution: ActiveExecution, request: ParsedRequest): void {
    channel.send(encodeRequest(channel.codec, this.features, execution, request, this.#options.maxFrameBytes), execution);
    this.waiting.begin(execution);
  }

  #refuse(execution: ActiveExecution, thrown: unknown): void {
    execution.end('lost', refusal(thrown, { ...this.#ids, taskId: execution.taskId }));
  }

  #load(execution: ActiveExecution, request: ParsedRequest, source: InputSource): void {
    execution.isLoading = true;
    readInput(source)
      .then(input => {
        if (execution.phase !== 'waiting') return;
        const loaded = { ...request, input };
        const size = requestSize(execution.taskId, loaded);
        checkSize('the request', size, this.#options.maxFrameBytes);
        this.waiting.remove(execution);
        this.checkRoom(size);
        Object.assign(execution, { request: loaded, size, isLoading: false });
        this.waiting.add(execution);
        this.sendWaiting();
      })
      .catch(thrown => this.#refuse(execution, thrown));
  }
}

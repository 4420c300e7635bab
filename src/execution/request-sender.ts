// How requests leave the request table: encoded and queued at once where they can, else they wait: for a session, for their input, or for
// an end of others.
import { isUtf8 } from 'node:buffer';
import type { HostChannel } from '../connection/channel.ts';
import { type ErrorFacts, SpearletError } from '../errors.ts';
import type { ParsedOptions, ParsedRequest } from '../option-schemas.ts';
import type { RequestSettings } from '../options/execution.ts';
import type { HostCodec } from '../protocol/codec.ts';
import { featureOf, type U64 } from '../protocol/message.ts';
import type { Pieces } from '../protocol/pieces.ts';
import type { InputSource } from '../request-input.ts';
import type { ActiveExecution } from './active-execution.ts';
import { ConcurrencyQueue } from './concurrency-queue.ts';
import { isSource, readInput } from './read-input.ts';
import { refusal } from './refused.ts';
import { checkSize, requestSize } from './request.ts';

const unsupported = (what: string): SpearletError =>
  new SpearletError('UNSUPPORTED', `${what} needs wire v2, and this agent speaks v1`, {
    hint: 'Use an agent of `spearlet/agent`, or send the bytes as text, for example as base64.',
  });

const unannounced = (what: string, feature: string): SpearletError =>
  new SpearletError('INVALID_OPTIONS', `\`${what}\` of a request needs an agent that has announced '${feature}', and this one has not`, {
    hint: `Leave it out, or use the command agent. An agent on serve() of spearlet/agent announces what its option \`settings\` names.`,
    issues: [{ path: what, message: 'the agent would ignore it' }],
  });

function checkSettings(settings: RequestSettings, features: readonly string[]): void {
  for (const name of Object.keys(featureOf) as (keyof RequestSettings)[])
    if (settings[name] !== undefined && !features.includes(featureOf[name])) throw unannounced(name, featureOf[name]);
}

/** On wire v1 it goes as text. */
function checkTextInput(input: Uint8Array, features: readonly string[]): void {
  if (!features.includes('input')) throw unannounced('input', 'input');
  if (!isUtf8(input)) throw unsupported('`input` that is not UTF-8');
}

/**
 * The message of a request. Throws FRAME_TOO_LARGE if it is larger than the bound, UNSUPPORTED if the codec cannot say it, and
 * INVALID_OPTIONS if the agent has not announced that it understands it.
 */
function encodeRequest(
  codec: HostCodec,
  features: readonly string[],
  { requestId, taskId, encoding }: { readonly requestId: number; readonly taskId: string; readonly encoding: 'utf8' | 'buffer' },
  { taskId: givenId, command, args, env, input: given, settings }: ParsedRequest,
  maxFrameBytes: number,
): Buffer | Pieces {
  // A source was read before.
  const input = given as Uint8Array | undefined;
  if (!codec.carriesBytes) {
    if (encoding === 'buffer') throw unsupported("`encoding: 'buffer'`");
    if (input !== undefined) checkTextInput(input, features);
  }
  if (settings !== undefined) checkSettings(settings, features);
  // On wire v2 the agent makes the default task id by itself.
  const sentId = codec.carriesBytes ? (givenId ?? '') : taskId;
  const frame = codec.executeRequest(requestId, { taskId: sentId, command, args, env, input, settings });
  checkSize('the request', frame.length, maxFrameBytes);
  return frame;
}

export class RequestSender {
  channel: HostChannel | null = null;
  /** What its agent has announced. */
  features: readonly string[] = [];
  /** Requests wait for the next session, although there is one. */
  isDeferred = false;
  readonly waiting: ConcurrencyQueue<ActiveExecution>;
  readonly #options: Pick<ParsedOptions, 'maxQueuedBytes' | 'maxFrameBytes'>;
  readonly #ids: ErrorFacts;

  constructor(options: Pick<ParsedOptions, 'maxQueuedBytes' | 'maxFrameBytes'>, maxConcurrency: number | undefined, ids: ErrorFacts) {
    this.#options = options;
    this.waiting = new ConcurrencyQueue(maxConcurrency);
    this.#ids = ids;
  }

  /** Throws OVERLOADED. The bound counts requests and not frames: a frame of wire v1 has up to 4 bytes for a character. */
  checkRoom(size: number): void {
    const { channel, waiting, isDeferred } = this;
    const sent =
      channel === null || isDeferred ? 0 : Math.floor((channel.queue.pending + channel.queue.unacknowledged) / channel.codec.expansion);
    const queued = waiting.size + sent;
    const { maxQueuedBytes } = this.#options;
    if (queued === 0 || queued + size <= maxQueuedBytes) return;
    throw new SpearletError('OVERLOADED', `${queued} bytes are queued, the bound is maxQueuedBytes (${maxQueuedBytes})`, this.#ids);
  }

  /** Sends a request, or lets it wait. Throws FRAME_TOO_LARGE, UNSUPPORTED and INVALID_OPTIONS. */
  take(execution: ActiveExecution, request: ParsedRequest): void {
    const { input } = request;
    if (this.channel !== null && !this.isDeferred && !this.waiting.isFull && !isSource(input))
      return this.#send(this.channel, execution, request);
    this.waiting.add(execution);
    if (isSource(input)) this.#load(execution, request, input);
  }

  /** Sends what may begin. */
  sendWaiting(): void {
    const { channel, waiting } = this;
    if (channel === null || this.isDeferred) return;
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
    channel.queue.add(encodeRequest(channel.codec, this.features, execution, request, this.#options.maxFrameBytes), execution);
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

// The latest results that an agent has sent on wire v1, to be sent again after a reconnect.
import { bounds } from '../limits.ts';
import type { Answer } from './result.ts';

interface SentResult<Delivery> {
  readonly delivery: Delivery;
  readonly answer: Answer;
  /** The size of its frame, in bytes. */
  readonly size: number;
}

export class SentResults<Delivery> {
  readonly #results: SentResult<Delivery>[] = [];
  #size = 0;

  /** The kept results, the oldest first. */
  get all(): readonly SentResult<Delivery>[] {
    return this.#results;
  }

  /** Forgets the oldest beyond the bounds, but never the last one. */
  add(result: SentResult<Delivery>): void {
    this.#results.push(result);
    this.#size += result.size;
    while (this.#results.length > 1 && this.#isTooLarge) this.#size -= this.#results.shift()!.size;
  }

  get #isTooLarge(): boolean {
    return this.#results.length > bounds.agentReplayedResults || this.#size > bounds.agentReplayedSize;
  }
}

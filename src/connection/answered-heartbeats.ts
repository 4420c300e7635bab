// The heartbeats that one end has answered. An id that was answered before is the echo of that answer: two ends that answer echoes would
// never stop.
import { bounds } from '../limits.ts';
import type { U64 } from '../protocol/message.ts';

export class AnsweredHeartbeats {
  readonly #ids = new Set<U64>();

  has(requestId: U64): boolean {
    return this.#ids.has(requestId);
  }

  /** Forgets the oldest id beyond the bound. */
  add(requestId: U64): void {
    this.#ids.add(requestId);
    if (this.#ids.size <= bounds.answeredHeartbeats) return;
    for (const oldest of this.#ids) if (this.#ids.delete(oldest)) break;
  }
}

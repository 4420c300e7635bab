// The option `idleTimeout`: ends an execution of which nothing has come for too long.
import type { Deadline, Deadlines, Expiring } from '../world/deadlines.ts';

export class IdleWatch implements Expiring {
  readonly #deadlines: Deadlines;
  readonly #ms: number;
  readonly #isPaused: () => boolean;
  readonly #idle: () => void;
  #heardAt: number;
  #deadline: Deadline;

  /** `isPaused`: the host does not read what the agent sends, or has no connection; such time does not count. */
  constructor(deadlines: Deadlines, ms: number, isPaused: () => boolean, idle: () => void) {
    this.#deadlines = deadlines;
    this.#ms = ms;
    this.#isPaused = isPaused;
    this.#idle = idle;
    this.#heardAt = deadlines.now();
    this.#deadline = deadlines.add(ms, this);
  }

  heard(): void {
    this.#heardAt = this.#deadlines.now();
  }

  expire(): void {
    const now = this.#deadlines.now();
    if (this.#isPaused()) this.#heardAt = now;
    const left = this.#ms - (now - this.#heardAt);
    if (left > 0) this.#deadline = this.#deadlines.add(Math.ceil(left), this);
    else this.#idle();
  }

  cancel(): void {
    this.#deadline.cancel();
  }
}

/** Watches one execution. The time in which it waits, or the host does not read, does not count. */
export function watchIdle<E extends { readonly phase: string; readonly isHeldBack: boolean }>(
  deadlines: Deadlines,
  ms: number,
  execution: E,
  isPaused: () => boolean,
  owner: { timedOut(execution: E, why: string): void },
): IdleWatch {
  const isPausedFor = (): boolean => execution.phase === 'waiting' || execution.isHeldBack || isPaused();
  return new IdleWatch(deadlines, ms, isPausedFor, () => owner.timedOut(execution, `nothing came of the execution for ${ms} ms`));
}

// Connections that were ended before they were authenticated: their count, and the last few, which explain why an agent does
// not become ready. Any process of this machine can cause them, so nothing here grows with their number.
import { bounds } from '../limits.ts';
import { iso } from '../world/clock.ts';

/** A connection that ended before it was authenticated. */
export interface Refusal {
  /** When it ended, in ms since 1970. */
  readonly at: number;
  /** The address of the other end. */
  readonly peer: string;
  /** The error code. */
  readonly code: string;
  /** The reason in words. */
  readonly message: string;
}

/** The connections that ended before they were authenticated. */
export interface Refusals {
  /** Their number. */
  readonly count: number;
  /** The last few, oldest first. */
  readonly last: readonly Refusal[];
}

/** @internal */
export interface RefusalList extends Refusals {
  /** Counts one more. True: it may be logged. */
  add(refusal: Refusal): boolean;
  /** A start has begun: a few more may be logged. */
  begin(): void;
}

const NONE: Refusal[] = [];

/** A class, because V8 gives each object literal with a getter a hash table of its own. */
class BoundedRefusals implements RefusalList {
  readonly #shared: Refusals | undefined;
  readonly #before: number;
  #own: Refusal[] = NONE;
  #count = 0;
  #lines = bounds.loggedRefusals;

  constructor(shared: Refusals | undefined) {
    this.#shared = shared;
    this.#before = shared?.count ?? 0;
  }

  get count(): number {
    return this.#count + (this.#shared?.count ?? 0) - this.#before;
  }

  get last(): readonly Refusal[] {
    const [shared, before] = [this.#shared, this.#before];
    const others = shared === undefined || shared.count === before ? [] : shared.last.slice(before - shared.count);
    return [...this.#own, ...others].sort((a, b) => a.at - b.at).slice(-bounds.keptRefusals);
  }

  add(refusal: Refusal): boolean {
    this.#count += 1;
    this.#own = [...this.#own.slice(1 - bounds.keptRefusals), refusal];
    this.#lines -= 1;
    return this.#lines >= 0;
  }

  begin(): void {
    this.#lines = bounds.loggedRefusals;
  }
}

/**
 * `shared`: refused connections of the shared listener, whose instance is unknown. They count for each instance that exists then.
 * @internal
 */
export const createRefusals = (shared?: Refusals): RefusalList => new BoundedRefusals(shared);

const wereRefused = (count: number): string => (count === 1 ? '1 connection was refused' : `${count} connections were refused`);
const why = ({ code, message }: Refusal): string => `${code} ${message}`;

/**
 * As a sentence. Empty: there was none.
 * @internal
 */
export function refusalsInWords({ count, last }: Refusals): string {
  const latest = last.at(-1);
  if (latest === undefined) return '';
  return `${wereRefused(count)}${count === 1 ? '' : ', the last'}: ${why(latest)}`;
}

/**
 * As lines of an explanation.
 * @internal
 */
export function refusalLines({ count, last }: Refusals): string[] {
  if (count === 0) return [];
  return [`${wereRefused(count)}, the last of them:`, ...last.map(each => `  ${iso(each.at)}  from ${each.peer}: ${why(each)}`)];
}

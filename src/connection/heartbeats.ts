// The heartbeats of a connection that holds the session. While the agent is heard, they go on here without the chart: it learns of
// a silence only when the first heartbeat of that silence was not answered. So an idle connection costs no transition.
import type { U64 } from '../protocol/message.ts';
import type { Clock } from '../world/clock.ts';
import type { Deadlines } from '../world/deadlines.ts';
import type { HostChannel } from './channel.ts';

/** The time until a check is rounded up to a multiple of interval / PARTS, because Deadlines keeps one list per distinct duration. */
const PARTS = 8;

export interface HeartbeatDeps {
  readonly channel: HostChannel;
  readonly clock: Clock;
  readonly deadlines: Pick<Deadlines, 'add'>;
  /** The heartbeat interval, in ms. */
  readonly interval: number;
  /** Random, so that the ids of the host do not collide with those of the agent. */
  readonly firstId: number;
  /** The first heartbeat of a silence was not answered. The chart sends the others, and `check` is called then. */
  silent(): void;
  /** The agent has answered a heartbeat of the chart. */
  answered(): void;
}

export class Heartbeats {
  readonly #deps: HeartbeatDeps;
  #nextId: number;
  /** The last heartbeat whose answer counts. */
  #id = -1;
  /** When the last heartbeat was sent, if nothing has arrived since. */
  #sentAt: number | null = null;
  #nextCheck: { cancel(): void } | null = null;
  #isOver = false;

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
    this.#nextId = deps.firstId;
  }

  /** The session is open, or the agent is heard again: checks after each interval whether it still is. */
  watch(): void {
    this.#checkIn(this.#deps.interval);
  }

  /** Sends a heartbeat for the chart, which decides when `check` is called. */
  send(): void {
    this.#nextCheck?.cancel();
    this.#nextCheck = null;
    this.#send();
  }

  /** Whether the agent was heard: since the last heartbeat, or within the interval. */
  check(): boolean {
    const isHeard = this.#isHeard();
    if (isHeard) this.#heard();
    return isHeard;
  }

  /** The round trip in ms, if this is the answer to the last heartbeat; else null. */
  roundTripOf(requestId: U64): number | null {
    if (this.#sentAt === null || requestId !== this.#id) return null;
    if (this.#nextCheck === null) {
      this.watch();
      this.#deps.answered();
    }
    return this.#deps.clock.now() - this.#sentAt;
  }

  /** Ends the checks. */
  end(): void {
    this.#isOver = true;
    this.#nextCheck?.cancel();
  }

  expire(): void {
    this.#nextCheck = null;
    if (this.#isHeard()) return this.#heard();
    if (this.#sentAt !== null) return this.#deps.silent();
    this.#send();
    this.watch();
  }

  #isHeard(): boolean {
    const { channel, clock, interval } = this.#deps;
    // While reading is paused, only a write shows whether the agent is still there.
    if (channel.paused) channel.queue.addUrgent(channel.codec.heartbeat(this.#nextId++, ''));
    return this.#sentAt === null ? clock.now() - channel.heardAt < interval : channel.heardAt >= this.#sentAt;
  }

  #heard(): void {
    const { channel, clock, interval } = this.#deps;
    this.#sentAt = null;
    const part = interval / PARTS;
    this.#checkIn(Math.max(1, Math.ceil((interval - (clock.now() - channel.heardAt)) / part) * part));
  }

  #checkIn(ms: number): void {
    this.#nextCheck?.cancel();
    this.#nextCheck = this.#isOver ? null : this.#deps.deadlines.add(ms, this);
  }

  #send(): void {
    const { channel, clock } = this.#deps;
    this.#id = this.#nextId++;
    this.#sentAt = clock.now();
    channel.queue.addUrgent(channel.codec.heartbeat(this.#id, ''));
  }
}

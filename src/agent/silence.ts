// Ends a connection of wire v2 on which the host is not heard: a half-open link shows in no other way. The agent then resumes its
// session over a new one.
import type { AnsweredHeartbeats } from '../connection/answered-heartbeats.ts';
import type { AgentChannel } from '../connection/channel.ts';
import type { Clock, Timer } from '../world/clock.ts';

/** A shorter silence than this is not ended, in ms: a host may be busy. */
const SHORTEST = 3_000;
/** How often the silence is checked until the connection ends. */
const CHECKS = 4;
/**
 * From this silent check on, a heartbeat is sent that the host has to answer. Not from the first one: the host sends a heartbeat by
 * itself after a third of the silence, and one from each side would double the cost of an idle connection.
 */
const FIRST_BEAT = 2;

/** `answered`: the watch adds the ids of its own heartbeats, whose echo must not be answered. Returns the end. */
export function watchSilence(channel: AgentChannel, clock: Clock, silence: number, answered: AnsweredHeartbeats): () => void {
  const period = Math.max(silence, SHORTEST) / CHECKS;
  let lastCheck = clock.now();
  let missed = 0;
  let timer: Timer;

  const check = (): void => {
    missed = channel.heardAt > lastCheck ? 0 : missed + 1;
    lastCheck = clock.now();
    if (missed >= CHECKS) return channel.end({ code: 'LINK_LOST', message: 'the host was not heard' });
    if (missed >= FIRST_BEAT) {
      const id = Math.floor(lastCheck) + missed;
      answered.add(id);
      channel.queue.addUrgent(channel.codec.heartbeat(id, ''));
    }
    timer = clock.setTimeout(check, period);
  };
  timer = clock.setTimeout(check, period);
  return () => clock.clearTimeout(timer);
}

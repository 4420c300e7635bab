// One queue for all deadlines of a spearlet: adding and removing one is a few pointers, and a single timer runs for the
// earliest. Like Node's own timers it keeps a list per duration, in which entries are in order by nature.
import type { Clock, Timer } from '../world.ts';

export interface Deadline {
  cancel(): void;
}

export interface Deadlines {
  add(ms: number, due: () => void): Deadline;
  /** Forgets all of them. */
  close(): void;
}

interface Entry {
  readonly at: number;
  readonly due: () => void;
}

export function createDeadlines(clock: Clock): Deadlines {
  // A Set keeps the order of insertion, which is the order of time among deadlines of one duration.
  const lists = new Map<number, Set<Entry>>();
  let timer: Timer | null = null;
  let armedFor = Number.POSITIVE_INFINITY;

  const arm = (): void => {
    let earliest = Number.POSITIVE_INFINITY;
    for (const [ms, list] of lists) {
      const [first] = list;
      if (first === undefined) lists.delete(ms);
      else if (first.at < earliest) earliest = first.at;
    }
    if (timer !== null) clock.clearTimeout(timer);
    timer = null;
    armedFor = earliest;
    if (earliest < Number.POSITIVE_INFINITY) timer = clock.setTimeout(fire, Math.max(1, Math.ceil(earliest - clock.now())));
  };

  const fire = (): void => {
    timer = null;
    const now = clock.now();
    const due: Entry[] = [];
    for (const list of lists.values()) {
      for (const entry of list) {
        if (entry.at > now) break;
        list.delete(entry);
        due.push(entry);
      }
    }
    due.sort((a, b) => a.at - b.at);
    arm();
    for (const entry of due) entry.due();
  };

  return {
    add(ms, due) {
      const entry: Entry = { at: clock.now() + ms, due };
      let list = lists.get(ms);
      if (list === undefined) lists.set(ms, (list = new Set()));
      list.add(entry);
      if (entry.at < armedFor) arm();
      const mine = list;
      return {
        cancel() {
          mine.delete(entry);
          // An empty list has nothing to wait for; the timer must not hold the host's event loop open.
          if (mine.size === 0 && lists.get(ms) === mine) {
            lists.delete(ms);
            if (lists.size === 0) arm();
          }
        },
      };
    },
    close() {
      lists.clear();
      arm();
    },
  };
}

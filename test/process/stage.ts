// A table of processes that a test fills, on a clock moved by hand.
import type { ProcessEntry, ProcessTable } from '../../src/process/tree/proc-table.ts';
import { handClock } from '../world/clock.ts';

/** `it` sets how long a turn of the event loop, the read of an entry, and the list of all pids take. */
export function handTable() {
  const clock = handClock();
  const entries = new Map<number, ProcessEntry>();
  const killed: number[] = [];
  const groups: number[] = [];
  const it = { perTurn: 0, perEntry: 0, perTable: 0, last: 100, broken: false, turns: 0, reads: 0, works: true, immortal: false };
  const table: Partial<ProcessTable> = {
    get works() {
      return it.works;
    },
    self: 1,
    maxPid: 32_768,
    pids() {
      if (it.broken) throw new Error('EMFILE');
      clock.work(it.perTable);
      return [...entries.keys()];
    },
    lastPid: () => it.last,
    entry(pid) {
      it.reads += 1;
      clock.work(it.perEntry);
      return entries.get(pid) ?? null;
    },
    exists: pid => entries.has(pid),
    isThread: () => false,
    cookie: () => null,
    command: pid => `command of ${pid}`,
    signal({ pid }) {
      killed.push(pid);
      // As in the system, the process is gone a moment later.
      if (!it.immortal) process.nextTick(() => entries.delete(pid));
      return true;
    },
    signalGroup: group => void groups.push(group),
    async turn() {
      it.turns += 1;
      clock.work(it.perTurn);
    },
  };
  const born = (pid: number, parent = 1, group = pid): ProcessEntry => {
    const entry = { pid, parent, group, session: group, startTime: pid, living: true, kernel: false };
    entries.set(pid, entry);
    it.last = Math.max(it.last, pid);
    return entry;
  };
  return { clock, it, table: table as ProcessTable, entries, killed, groups, born };
}

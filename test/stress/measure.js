// What the proofs share: chance from a seed, quantiles, and who is left.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { processTable as table } from '../../dist/src/process/tree/proc-table.js';

/** 0 ≤ x < 1, the same for the same seed. */
export function chanceOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Rounded to a hundredth. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(100 * (sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN)) / 100;
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Every living process that belongs to one of these instances: by its environment, or by what was said of it. */
export function survivors(isOurs, said = new Map()) {
  return table.pids().flatMap(pid => {
    const entry = table.entry(pid);
    if (!entry?.living || entry.pid === process.pid) return [];
    const cookie = table.cookie(pid);
    if (typeof cookie === 'string' && isOurs(cookie)) return [{ pid, instanceId: cookie, command: table.command(pid) }];
    const known = said.get(pid);
    return known === undefined ? [] : [{ pid, instanceId: known, command: table.command(pid) }];
  });
}

/** Zombies that are ours to reap. */
export const zombies = () =>
  table.pids().filter(pid => {
    const entry = table.entry(pid);
    return entry !== null && !entry.living && entry.parent === process.pid;
  }).length;

/** Sockets that this process listens at. */
export function listeners() {
  const rows = ['tcp', 'tcp6'].flatMap(name => readFileSync(`/proc/self/net/${name}`, 'utf8').split('\n').slice(1));
  const listening = new Set(rows.map(row => row.trim().split(/\s+/)).flatMap(row => (row[3] === '0A' ? [row[9]] : [])));
  return links().filter(link => listening.has(/^socket:\[(\d+)\]$/.exec(link)?.[1])).length;
}
function links() {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

/** Round trips of an instance until told to end: their times in ms. */
export function roundTrips(instance, pause = 5) {
  const times = [];
  let on = true;
  const done = (async () => {
    while (on) {
      const began = performance.now();
      await instance.execute({ command: 'echo', args: ['x'] }).result;
      times.push(performance.now() - began);
      await sleep(pause);
    }
  })();
  // Whoever ends it learns of its failure.
  done.catch(() => {});
  return {
    times,
    async end() {
      on = false;
      await done;
      return times;
    },
  };
}

// Shared by the proofs: random numbers from a seed, quantiles, round trips, and what is left of processes and listeners.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { processTable as table } from '../../dist/src/process/tree/proc-table.js';

/** Returns a generator of numbers 0 ≤ x < 1, the same for the same seed. */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The value below which this share of the values lies, rounded to a hundredth. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(100 * (sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN)) / 100;
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Every living process of these instances: by its cookie, or by `known`, which maps pids to instance ids. */
export function survivors(isOurs, known = new Map()) {
  return table.pids().flatMap(pid => {
    const entry = table.entry(pid);
    if (!entry?.living || entry.pid === process.pid) return [];
    const cookie = table.cookie(pid);
    if (typeof cookie === 'string' && isOurs(cookie)) return [{ pid, instanceId: cookie, command: table.command(pid) }];
    const instanceId = known.get(pid);
    return instanceId === undefined ? [] : [{ pid, instanceId, command: table.command(pid) }];
  });
}

/** The number of zombies that are children of this process. */
export const zombies = () =>
  table.pids().filter(pid => {
    const entry = table.entry(pid);
    return entry !== null && !entry.living && entry.parent === process.pid;
  }).length;

/** The number of sockets on which this process listens. */
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

/** Measures round trips of an instance until `end()`, which returns their times in ms. */
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
  // end() rejects with a failure.
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

// Draws the faults of an instance: kills, stops, freezes, lost connections, blocked event loops, and quiet times. It writes each
// fault to the log of the instance, by which the model judges what may follow.
import { sleep } from '../measure.js';
import { pick, whole } from './content.js';

const DIRECT = { quiet: 6, kill: 2, freeze: 2, longFreeze: 1, cut: 4, block: 2, stop: 1 };
const PROXIED = { quiet: 6, kill: 1, freeze: 2, longFreeze: 1, broken: 8, stop: 1 };
/** Durations that the heartbeats tolerate, and longer ones, in ms. */
const SHORT = { from: 50, to: 600 };
const LONG = { from: 1_300, to: 3_800 };

/** The frozen processes. thaw() continues all of them. */
const frozen = new Set();
const signal = (pid, name) => {
  try {
    process.kill(pid, name);
  } catch {
    // The process has ended already.
  }
};
export function thaw() {
  for (const pid of frozen) signal(pid, 'SIGCONT');
  frozen.clear();
}

/** Causes faults until `isOver`. */
export async function disturb(random, host, proxy, counts, isOver) {
  const fault = text => {
    host.log.push({ at: performance.now(), what: 'fault', fault: true, text });
    const name = text.split(' ')[0];
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const waits = async ms => {
    const until = performance.now() + ms;
    while (performance.now() < until && !isOver()) await sleep(Math.min(50, until - performance.now()));
  };
  const send = (text, data) => {
    try {
      fault(text);
      host.instance.send(data);
    } catch {
      // No session is open just now.
    }
  };
  const freeze = async ms => {
    const pid = host.pid();
    if (pid === null) return;
    fault(`freeze ${ms}`);
    signal(pid, 'SIGSTOP');
    frozen.add(pid);
    await waits(ms);
    fault('thaw');
    frozen.delete(pid);
    signal(pid, 'SIGCONT');
  };
  const faults = {
    quiet: () => waits(whole(random, 300, 2_000)),
    kill() {
      const pid = host.pid();
      if (pid === null) return;
      fault('kill');
      signal(pid, 'SIGKILL');
    },
    freeze: () => freeze(whole(random, SHORT.from, SHORT.to)),
    longFreeze: () => freeze(whole(random, LONG.from, LONG.to)),
    cut() {
      const how = pick(random, { reset: 1, end: 1, destroy: 2 });
      send(`cut ${how}`, `cut ${how}`);
    },
    block() {
      const { from, to } = random() < 0.5 ? SHORT : { from: 1_400, to: 1_900 };
      const ms = whole(random, from, to);
      send(`block ${ms}`, `block ${ms}`);
    },
    async broken() {
      const way = pick(random, { reset: 3, close: 3, hostOnly: 1, agentOnly: 2, inFrame: 4, delay: 1, stall: 2 });
      const bytes = whole(random, 1, random() < 0.5 ? 300 : 20_000);
      fault(`${way} ${bytes}`);
      proxy.break(host.id, way, bytes);
      if (way === 'stall') {
        await waits(whole(random, random() < 0.5 ? SHORT.from : LONG.from, random() < 0.5 ? SHORT.to : LONG.to));
        fault('flow');
        proxy.resume(host.id);
      }
    },
    stop() {
      const grace = [0, 100, 1_500][whole(random, 0, 2)];
      fault(`stop ${grace}`);
      void host.instance.stop({ grace });
    },
  };
  // Some instances get no faults at all, so that no failure of their executions is excused.
  while (host.peaceful && !isOver()) await waits(1_000);
  while (!isOver()) {
    await waits(whole(random, 100, 900));
    if (isOver()) break;
    await faults[pick(random, host.proxied ? PROXIED : DIRECT)]();
  }
}

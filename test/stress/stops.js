// Calls stop() at 100 offsets across a start, ten times each, and during backoff, reconnection, restart, a crash and another stop.
// Each instance reaches `stopped` once, no event follows, every promise settles, and nothing is left.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { listeners, quantile, randomOf, sleep, survivors, zombies } from './measure.js';

/** `turns`: this many offsets are turns of the event loop, in which most steps of a start happen; the others spread over its time. */
const WHOLE = { offsets: 100, turns: 40, times: 10, races: 30 };
/** How long a promise may take to settle, in ms. */
const SETTLE = 10_000;
const EXPECTED_CODES = ['INSTANCE_STOPPED', 'CANCELLED', 'STOPPED'];
const agent = fileURLToPath(new URL('../agents/everyday.js', import.meta.url));
const reconnecting = fileURLToPath(new URL('../agents/reconnecting.js', import.meta.url));
const everyday = { artifactId: 'stops', command: process.execPath, args: [agent] };

const turn = () => new Promise(resolve => setImmediate(resolve));
const settled = async promise => {
  let late;
  const hung = new Promise(resolve => {
    late = setTimeout(() => resolve({ hung: true }), SETTLE);
  });
  const outcome = promise.then(
    value => ({ value }),
    error => ({ error }),
  );
  try {
    return await Promise.race([outcome, hung]);
  } finally {
    clearTimeout(late);
  }
};

/** Subscribes at once, since a state may last less than a turn. */
const reached = (instance, state) =>
  new Promise((resolve, reject) =>
    instance.state$.subscribe({ next: each => each === state && resolve(), complete: () => reject(new Error(`never ${state}`)) }),
  );

/** Keeps the events of each instance. Returns a function that lists what is wrong with those of one. */
function watch(spearlet) {
  const eventsOf = new Map();
  spearlet.events$.subscribe(event => {
    if (event.instanceId === null) return;
    if (!eventsOf.has(event.instanceId)) eventsOf.set(event.instanceId, []);
    eventsOf.get(event.instanceId).push(event);
  });
  return instanceId => {
    const events = eventsOf.get(instanceId) ?? [];
    const stops = events.filter(({ state }) => state === 'stopped').length;
    const wrong = [];
    if (stops !== 1) wrong.push(`${stops} times stopped`);
    if (events.at(-1)?.state !== 'stopped') wrong.push(`${events.at(-1)?.type} after stopped`);
    const incarnations = new Set(events.filter(({ type }) => type === 'instance.spawned').map(event => event.incarnation)).size;
    const exits = events.filter(({ type }) => type === 'instance.exited').length;
    if (exits < incarnations) wrong.push(`${incarnations} programs, ${exits} reports`);
    return wrong;
  };
}

export async function stops(seed, say, { offsets, turns, times, races: raced } = WHOLE) {
  const random = randomOf(seed);
  const options = { logger: false, ports: 0, restart: { intensity: 1_000, backoff: { min: 20, max: 60 } } };
  const before = listeners();
  const spearlet = createSpearlet(options);
  const wrongOf = watch(spearlet);
  const starts = [];
  for (let i = 0; i < 5; i += 1) {
    const began = performance.now();
    const instance = await spearlet.start(everyday);
    starts.push(performance.now() - began);
    await instance.stop();
  }
  const took = quantile(starts, 0.5);
  say(`a start takes ${took} ms`);

  const faults = [];
  const figures = {};
  /** Waits until all promises have settled, and notes what is wrong. */
  const judge = async (what, starting, instance, stopping) => {
    const outcomes = await Promise.all([starting, ...stopping].map(settled));
    const [start, ...stopped] = outcomes;
    const wrong = [];
    if (outcomes.some(({ hung }) => hung)) wrong.push('something never settled');
    if (start.error !== undefined && !EXPECTED_CODES.includes(start.error.code))
      wrong.push(`start() rejected with ${start.error.code}: ${start.error.message}`);
    if (instance !== undefined) {
      const { value: report, hung } = await settled(instance.exited);
      if (hung) wrong.push('exited never resolved');
      for (const each of stopped) if (each.value !== undefined && each.value !== report) wrong.push('two different reports');
      // The last event comes in a turn of its own.
      await turn();
      wrong.push(...wrongOf(instance.id));
      if (instance.state !== 'stopped') wrong.push(`its state is ${instance.state}`);
      const left = survivors(id => id === instance.id);
      if (left.length > 0) wrong.push(`left: ${JSON.stringify(left)}`);
    }
    figures[what] = (figures[what] ?? 0) + 1;
    if (wrong.length > 0) {
      faults.push({ what, instanceId: instance?.id, wrong });
      say(`${what}: ${wrong.join('; ')}`);
    }
  };

  for (let offset = 0; offset < offsets; offset += 1) {
    for (let time = 0; time < times; time += 1) {
      const aborter = new AbortController();
      const known = new Set(spearlet.instances.map(({ id }) => id));
      const starting = spearlet.start(everyday, { signal: aborter.signal });
      starting.catch(() => {});
      if (offset < turns) for (let count = 0; count < offset; count += 1) await turn();
      else {
        const until = performance.now() + (1.2 * took * (offset - turns + random())) / (offsets - turns);
        while (performance.now() < until) await turn();
      }
      const instance = spearlet.instances.find(({ id }) => !known.has(id));
      const way = instance === undefined ? 0 : Math.floor(random() * 4);
      const grace = [0, 50, 5_000][Math.floor(random() * 3)];
      const stopping = [];
      if (way === 0) {
        aborter.abort();
        if (instance !== undefined) stopping.push(instance.stop({ grace }));
      } else stopping.push(instance.stop({ grace }));
      if (way === 2) stopping.push(instance.stop({ grace: 0 }));
      if (way === 3 && instance.pid !== null) {
        try {
          process.kill(instance.pid, 'SIGKILL');
        } catch {
          // The program has ended already.
        }
      }
      await judge(['abort', 'stop', 'two stops', 'killed'][way], starting, instance, stopping);
    }
    if (offset % 20 === 19) say(`${offset + 1} offsets, ${faults.length} faults`);
  }

  const permanent = { ...everyday, restart: 'permanent' };
  const races = {
    async backoff() {
      const instance = await spearlet.start(permanent);
      process.kill(instance.pid, 'SIGKILL');
      await reached(instance, 'backoff');
      await sleep(random() * 60);
      return instance;
    },
    async restart() {
      const instance = await spearlet.start(permanent);
      process.kill(instance.pid, 'SIGKILL');
      while (instance.incarnation === 1) await turn();
      await sleep(random() * 1.2 * took);
      return instance;
    },
    async reconnection() {
      const instance = await spearlet.start({ ...everyday, args: [reconnecting] });
      instance.execute({ command: 'after-reconnect' });
      await reached(instance, 'reconnecting');
      for (let count = random() * 10; count > 1; count -= 1) await turn();
      return instance;
    },
    async 'another stop'() {
      const instance = await spearlet.start(everyday);
      instance.execute({ command: 'wait' });
      void instance.stop({ grace: 5_000 });
      await sleep(random() * 30);
      return instance;
    },
    async crash() {
      const instance = await spearlet.start(permanent);
      instance.execute({ command: 'exit', args: ['3'] });
      for (let count = random() * 40; count > 0; count -= 1) await turn();
      return instance;
    },
  };
  for (const [name, race] of Object.entries(races)) {
    for (let time = 0; time < raced; time += 1) {
      const instance = await race();
      const grace = [0, 50, 5_000][time % 3];
      await judge(name, Promise.resolve(), instance, [instance.stop({ grace }), ...(time % 2 ? [instance.stop({ grace: 0 })] : [])]);
    }
    say(`${name}: ${faults.length} faults`);
  }
  const left = { instances: spearlet.instances.length, listeners: listeners() - before, zombies: zombies() };
  await spearlet.stop();
  const passed = faults.length === 0 && left.instances === 0 && left.zombies === 0 && left.listeners <= 0;
  return { passed, startTook: took, stops: figures, faults: faults.slice(0, 20), faultCount: faults.length, left };
}

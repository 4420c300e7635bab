// One world of the proof `callers`: a spearlet with some instances, callers that run executions on them, and faults. Then the
// faults end, the spearlet stops, and the model judges every execution.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSpearlet } from 'spearlet';
import { sleep, survivors, zombies } from '../measure.js';
import { disturb, thaw } from './chaos.js';
import { content, randomOf, whole } from './content.js';
import { describe } from './describe.js';
import { createHost, watch } from './hosts.js';
import { createJob, requestOf } from './jobs.js';
import { judge, judgeInstance } from './model.js';
import { createProxy } from './proxy.js';
import { createReaders } from './readers.js';

/** A promise that has not settled this long after the last fault counts as hanging, in ms. */
const HUNG = 60_000;
/** How long an agent may take to end its last cancelled execution, in ms. */
const QUIET = 20_000;
const RETRIED = ['EXECUTION_TIMEOUT', 'CANCELLED', 'OUTCOME_UNKNOWN', 'NOT_DELIVERED'];
const optionsOf = seed => ({
  logger: false,
  ports: 0,
  listener: seed % 2 ? 'shared' : 'perInstance',
  heartbeat: { interval: 250, misses: 3 },
  reconnectWindow: 2_000,
  authTimeout: 2_000,
  grace: 1_000,
  restart: { intensity: 100_000, backoff: { min: 20, max: 300 } },
});

const within = async (promise, ms) => {
  let late;
  const hung = new Promise(resolve => {
    late = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), hung]);
  } finally {
    clearTimeout(late);
  }
};

export async function runWorld(seed, { slots, callers, milliseconds, rare = 0.03 }) {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-callers-'));
  const files = { journal: join(folder, 'journal'), content: join(folder, 'content') };
  writeFileSync(files.content, content.bytes);
  writeFileSync(files.journal, '');
  const proxy = await createProxy();
  const spearlet = createSpearlet(optionsOf(seed));
  const logOf = watch(spearlet);
  const until = performance.now() + milliseconds;
  const isOver = () => performance.now() >= until;
  const [all, hosts, findings, tasks] = [[], [], [], []];
  const faults = {};
  let nonces = 0;

  const ask = (random, host, settings) => {
    const job = createJob(random, `n${(nonces += 1)}`, { program: host.kind === 'command', peaceful: host.peaceful, rare, ...settings });
    if (settings.aborter !== undefined) job.abortAfter = settings.abortAfter;
    settings.sharing?.push(job);
    const aborter = job.abortAfter === undefined ? null : (settings.aborter ?? new AbortController());
    const { collect, reject, timeout } = job;
    const options = {
      collect,
      reject,
      ...(timeout === undefined ? {} : { timeout }),
      ...(aborter === null ? {} : { signal: aborter.signal }),
    };
    const one = {
      job,
      host,
      /** The state of the instance at the call. */
      state: host.instance.state,
      outcome: null,
      asked: performance.now(),
      settled: null,
      readers: [],
      cancelledLate: false,
      follows: settings.follows,
    };
    all.push(one);
    host.asked += 1;
    // A job that blocks may stop the heartbeats as soon as it is sent.
    if (job.ms > 0) host.log.push({ at: one.asked, what: 'fault', fault: true, text: `job ${job.nonce} blocks ${job.ms}` });
    const execution = host.instance.execute(requestOf(job, files), options);
    if (job.taskId !== undefined && execution.taskId !== job.taskId) findings.push({ text: 'the task id differs from the requested one' });
    const readers = createReaders(random, job, execution, { stall: 300 });
    one.readers = readers.notes;
    one.read = readers.done;
    one.done = execution.result
      .then(
        result => ({ result }),
        error => ({ error }),
      )
      .then(outcome => {
        one.outcome = outcome;
        one.settled = performance.now();
        if (job.ms > 0) host.log.push({ at: one.settled, what: 'fault', fault: true, text: `job ${job.nonce} has blocked` });
      });
    const ends = async (ms, name, end) => {
      await sleep(ms);
      if (one.outcome !== null) return;
      for (const each of settings.sharing ?? [job]) each[name] ??= performance.now();
      end();
      await new Promise(resolve => setImmediate(resolve));
      one.cancelledLate = one.outcome === null;
    };
    if (job.cancelAfter !== undefined) tasks.push(ends(job.cancelAfter, 'cancelled', () => execution.cancel('enough')));
    if (aborter !== null) tasks.push(ends(job.abortAfter, 'aborted', () => aborter.abort()));
    return one;
  };

  const caller = async (random, host, isGone) => {
    while (!isOver() && !isGone()) {
      if (random() < 0.1) {
        const abortAfter = whole(random, 1, 200);
        // Some bursts share one AbortSignal.
        const shared = random() < 0.3 ? { aborter: new AbortController(), abortAfter, sharing: [] } : {};
        const burst = Array.from({ length: whole(random, 5, 25) }, () => ask(random, host, { rare: 0, ...shared }).done);
        await Promise.all(burst);
      }
      let one = ask(random, host, {});
      await one.done;
      // The agent may still run the earlier execution with this task id.
      for (
        let tries = 0;
        tries < 2 && one.job.taskId !== undefined && RETRIED.includes(one.outcome.error?.code) && random() < 0.8;
        tries += 1
      ) {
        one = ask(random, host, { calm: true, taskId: one.job.taskId, follows: one.job.nonce });
        await one.done;
      }
      await sleep(random() * 40);
    }
  };

  const slot = async number => {
    for (let round = 0; !isOver(); round += 1) {
      const random = randomOf(seed, number, round, 2);
      const host = await createHost(random, spearlet, logOf, proxy, files);
      host.asked = 0;
      hosts.push(host);
      let gone = false;
      void host.instance.exited.then(() => {
        gone = true;
      });
      const isGone = () => gone;
      const busy = Array.from({ length: callers }, (_, n) => caller(randomOf(seed, number, round, 3, n), host, isGone));
      await disturb(random, host, proxy, faults, () => gone || isOver());
      // Executions on a frozen agent end only after the world is over, or the agent is continued.
      if (!isOver()) await Promise.all(busy);
      else tasks.push(...busy);
    }
  };

  /** Waits until the agent runs no execution, and no connection is paused or has queued bytes. */
  const settleDown = async host => {
    const { instance } = host;
    for (const late = performance.now() + QUIET; instance.state !== 'stopped'; await sleep(50)) {
      if (host.kind !== 'command') {
        host.asked += 1;
        const answer = await instance.execute({ command: 'running' }, { timeout: QUIET }).result.catch(error => ({ error }));
        host.running = answer.output ?? `${answer.error.code}`;
      } else host.running = '[]';
      const stats = spearlet.stats().instances.find(({ instanceId }) => instanceId === host.id);
      if (stats === undefined) return;
      const session = stats.connections.filter(each => each.session);
      const calm = stats.inFlight === 0 && session.every(({ paused, queuedBytes }) => !paused && queuedBytes === 0);
      if (host.running === '[]' && calm) {
        if (stats.executions !== host.asked) findings.push({ text: `stats: ${stats.executions} executions, ${host.asked} were asked for` });
        if (stats.foreignAnswers > 0) findings.push({ text: `stats: ${stats.foreignAnswers} foreign answers` });
        return;
      }
      if (performance.now() < late) continue;
      findings.push({ text: `it does not become idle: ${host.id} still runs ${host.running}`, details: JSON.stringify(stats) });
      return;
    }
  };

  try {
    await Promise.all(Array.from({ length: slots }, (_, number) => slot(number)));
    thaw();
    for (const { id } of hosts) proxy.resume(id);
    await within(Promise.all(all.map(({ done }) => done)), HUNG);
    // Callers may still begin executions; these are read to the end, too.
    await within(Promise.all(tasks), HUNG);
    await within(Promise.all(all.flatMap(({ read, outcome }) => (outcome === null ? [] : [read]))), HUNG);
    await Promise.all(hosts.map(settleDown));
  } catch (error) {
    findings.push({ text: `the proof itself failed: ${error.code ?? ''} ${error.stack}` });
  } finally {
    thaw();
    for (const { log } of hosts) log.push({ at: performance.now(), what: 'fault', fault: true, text: 'the spearlet stops' });
    if (!(await within(spearlet.stop(), HUNG))) findings.push({ text: 'stop() never resolved' });
    await Promise.all(hosts.map(({ end }) => end()));
    await proxy.close();
  }
  const ids = new Set(hosts.map(({ id }) => id));
  for (const left of survivors(id => ids.has(id))) findings.push({ text: `left: ${JSON.stringify(left)}` });
  if (zombies() > 0) findings.push({ text: `${zombies()} zombies` });

  const journal = readJournal(files.journal);
  let starved = 0;
  for (const host of hosts) {
    const verdict = judgeInstance(host);
    starved += verdict.starved;
    findings.push(...verdict.findings.map(text => ({ text, details: describe({ host }) })));
  }
  for (const one of all) {
    const wrong = [...new Set(judge(one, journal))];
    findings.push(
      ...wrong.map((text, n) => ({ text, details: n === 0 ? describe(one, journal) : `of the same execution, ${one.job.nonce}` })),
    );
  }
  rmSync(folder, { recursive: true });
  return { all, hosts, faults, findings, starved };
}

/** How often the agents have begun, ended, failed and aborted each execution. */
function readJournal(file) {
  const journal = new Map();
  const names = { B: 'begun', E: 'ended', F: 'failed', A: 'aborted' };
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [letter, nonce] = line.split(' ');
    if (nonce === undefined) continue;
    if (!journal.has(nonce)) journal.set(nonce, { begun: 0, ended: 0, failed: 0, aborted: 0 });
    journal.get(nonce)[names[letter]] += 1;
  }
  return journal;
}

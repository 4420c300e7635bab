// A pool whose members are killed at random while callers execute: every execution settles once, none is executed twice unless its
// caller has called it idempotent, and what each caller saw agrees with what the members have noted in their journal. Then
// executions go through a queue while the members are replaced over and over.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';
import { randomOf, sleep, survivors, zombies } from './measure.js';

const WHOLE = { executions: 100_000, kills: 1_000, callers: 64, min: 4, max: 6, recycled: 10_000, recycleAfter: 100 };
const MAX_FAULTS = 20;
/** The second part goes on until two members of the first two were replaced. */
const MIN_MEMBERS = 4;
const clerk = fileURLToPath(new URL('../agents/clerk.js', import.meta.url));
/** What a caller may see of an execution that was lost with a member. */
const LOST = ['OUTCOME_UNKNOWN', 'NOT_DELIVERED'];

const openPool = (journal, options) => {
  const spearlet = createSpearlet({
    logger: false,
    ports: 0,
    grace: 1_000,
    restart: { intensity: 1_000_000, backoff: { min: 5, max: 20 } },
  });
  const ids = new Set();
  spearlet.events$.subscribe(({ instanceId }) => instanceId !== null && ids.add(instanceId));
  const spec = { artifactId: 'clerk', command: process.execPath, args: [clerk, journal] };
  return { spearlet, ids, pool: spearlet.pool(spec, options) };
};

/** How often each execution was begun. */
function readJournal(file) {
  const begun = new Map();
  for (const nonce of readFileSync(file, 'utf8').split('\n')) if (nonce !== '') begun.set(nonce, (begun.get(nonce) ?? 0) + 1);
  return begun;
}

/** One execution, read in one of three ways. Returns what its caller saw. */
async function call(pool, nonce, random, retry) {
  // Most are short. A long one is likely to be killed.
  const pause = random() < 0.03 ? String(Math.floor(random() * 20)) : '';
  const execution = pool.execute({ command: 'note', args: [nonce, pause] }, { retry });
  const seen = { nonce, retry, code: null, faults: [], settled: 0 };
  const updates = [];
  const isRead = random() < 0.1;
  if (isRead) execution.updates$.subscribe(update => updates.push(update));
  let pulled = null;
  if (random() < 0.1)
    pulled = (async () => {
      const all = [];
      try {
        for await (const update of execution) all.push(update);
      } catch (error) {
        return { all, code: error.code };
      }
      return { all, code: null };
    })();
  try {
    const { output, taskId } = await execution.result;
    if (output !== `noted ${nonce}`) seen.faults.push(`the output is ${output}`);
    if (taskId !== execution.taskId) seen.faults.push('the task id differs');
  } catch (error) {
    seen.code = error.code ?? String(error);
  }
  seen.settled += 1;
  const judge = (how, all) => {
    const ends = all.filter(({ status }) => status === 'completed' || status === 'failed');
    const should = seen.code === null ? 'completed' : 'failed';
    if (ends.length !== 1 || all.at(-1) !== ends[0] || ends[0].status !== should)
      seen.faults.push(`${how}: ${all.map(({ status }) => status)}`);
    if (all.filter(({ status }) => status === 'started').length > (retry === 'idempotent' ? 3 : 1))
      seen.faults.push(`${how}: started again`);
    if (all.some(({ taskId }) => taskId !== execution.taskId)) seen.faults.push(`${how}: another task id`);
  };
  // The last update of a run that may be retried comes in a later turn than its result.
  if (isRead) await new Promise(setImmediate);
  if (isRead) judge('a subscriber', updates);
  if (pulled !== null) {
    const { all, code } = await pulled;
    judge('a reader', all);
    if (code !== seen.code) seen.faults.push(`a reader throws ${code}, the result rejects with ${seen.code}`);
  }
  return seen;
}

/** Checks what the callers saw against the journal. */
function judgeAll(all, journal) {
  const begun = readJournal(journal);
  const faults = all.flatMap(({ nonce, faults }) => faults.map(fault => `${nonce}: ${fault}`));
  const counts = { completed: 0, lost: 0, twice: 0, idempotentAgain: 0, outcomes: {} };
  for (const { nonce, retry, code } of all) {
    const times = begun.get(nonce) ?? 0;
    counts.outcomes[code ?? 'completed'] = (counts.outcomes[code ?? 'completed'] ?? 0) + 1;
    if (code === null) counts.completed += 1;
    if (times > 1 && retry === 'idempotent') counts.idempotentAgain += 1;
    else if (times > 1) {
      counts.twice += 1;
      faults.push(`${nonce}: executed ${times} times`);
    }
    if (code === null && times === 0) {
      counts.lost += 1;
      faults.push(`${nonce}: completed, but never begun`);
    }
    if (code === 'NOT_DELIVERED' && times > 0) faults.push(`${nonce}: NOT_DELIVERED, but it was begun`);
    if (code !== null && !LOST.includes(code)) faults.push(`${nonce}: ${code}`);
  }
  for (const nonce of begun.keys()) if (!all.seen.has(nonce)) faults.push(`${nonce}: nobody has called it`);
  return { faults, counts };
}

/**
 * Runs `total` executions by so many callers, and more until `isEnough()`. A retry policy is drawn for each, if `retry` is null.
 */
async function callAll(pool, random, { total, callers, retry, isEnough = () => true }) {
  const all = Object.assign([], { seen: new Set() });
  let next = 0;
  const caller = async () => {
    while (next < total || !isEnough()) {
      const nonce = `n${(next += 1)}`;
      all.seen.add(nonce);
      const chosen = retry ?? (random() < 0.1 ? 'idempotent' : 'undelivered');
      all.push(await call(pool, nonce, random, chosen));
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return all;
}

async function killed(seed, folder, { executions, kills, callers, min, max }) {
  const random = randomOf(seed);
  const journal = join(folder, 'killed');
  const { spearlet, ids, pool } = openPool(journal, {
    min,
    max,
    warm: 1,
    idle: 1_000,
    queue: callers,
    maxConcurrency: 4,
    recycleAfter: 2_000,
  });
  await pool.ready;
  let done = 0;
  let isOver = false;
  /** The kills are spread over the executions: as many of the ones as of the others are done. */
  const killer = (async () => {
    while (done < kills && !isOver) {
      const { executions: begun } = pool.stats();
      const members = pool.members.filter(({ state, pid }) => pid !== null && (state === 'ready' || state === 'executing'));
      const victim = members[Math.floor(random() * members.length)];
      if (victim === undefined || begun / executions < done / kills) await sleep(1);
      else {
        try {
          process.kill(victim.pid, 'SIGKILL');
          done += 1;
        } catch {
          // It has ended meanwhile.
        }
        await sleep(random() * 4);
      }
    }
  })();
  const all = await callAll(pool, random, { total: executions, callers, retry: null });
  isOver = true;
  await killer;
  const stats = pool.stats();
  await pool.stop({ drain: true });
  await spearlet.stop();
  const { faults, counts } = judgeAll(all, journal);
  if (all.length !== executions) faults.push(`${all.length} of ${executions} have settled`);
  const failed = all.length - counts.completed;
  if (
    stats.executions !== executions ||
    stats.completed !== counts.completed ||
    stats.failed !== failed ||
    stats.waiting + stats.running > 0
  )
    faults.push(`stats: ${JSON.stringify({ ...stats, members: stats.members.length })}`);
  const left = survivors(id => ids.has(id)).length + zombies();
  if (left > 0) faults.push(`${left} processes are left`);
  return {
    faults,
    figures: {
      executions: all.length,
      kills: done,
      members: ids.size,
      retries: stats.retries,
      ...counts,
      waitTime: stats.waitTime,
      runTime: stats.runTime,
      left,
    },
  };
}

async function recycled(seed, folder, { recycled: total, recycleAfter, callers }) {
  const random = randomOf(seed + 1);
  const journal = join(folder, 'recycled');
  const { spearlet, ids, pool } = openPool(journal, { min: 2, queue: callers, recycleAfter });
  await pool.ready;
  const most = { members: 0 };
  const watch = setInterval(() => {
    most.members = Math.max(most.members, pool.members.length);
  }, 1);
  const all = await callAll(pool, random, { total, callers, retry: 'undelivered', isEnough: () => ids.size >= MIN_MEMBERS });
  clearInterval(watch);
  const stats = pool.stats();
  await pool.stop({ drain: true });
  await spearlet.stop();
  const { faults, counts } = judgeAll(all, journal);
  if (counts.completed !== all.length) faults.push(`${counts.completed} of ${all.length} have completed`);
  if (most.members > 3) faults.push(`${most.members} members at once: two, and one replacement, are allowed`);
  return { faults, figures: { executions: all.length, members: ids.size, mostMembers: most.members, ...counts, waitTime: stats.waitTime } };
}

export async function pools(seed, say, sizes = {}) {
  const size = { ...WHOLE, ...sizes };
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-pools-'));
  const began = performance.now();
  const one = await killed(seed, folder, size);
  say(
    `${one.figures.kills} kills, ${one.figures.executions} executions, ${one.faults.length} faults, ${Math.round(performance.now() - began)} ms`,
  );
  const two = await recycled(seed, folder, size);
  say(`${two.figures.executions} executions on ${two.figures.members} members, ${two.faults.length} faults`);
  rmSync(folder, { recursive: true });
  const faults = [...one.faults, ...two.faults];
  return {
    passed: faults.length === 0 && one.figures.kills >= size.kills,
    killed: one.figures,
    recycled: two.figures,
    faultCount: faults.length,
    faults: faults.slice(0, MAX_FAULTS),
  };
}

// Draws the jobs of the callers: a request, its options, and how its caller ends it. A job contains everything that is needed to
// judge its outcome.
import { fileURLToPath } from 'node:url';
import { content, pick, SIZE, whole } from './content.js';

const script = fileURLToPath(new URL('../../agents/scribe.sh', import.meta.url));
const KINDS = { echo: 4, write: 8, throw: 1, hang: 3, deaf: 2 };
const PROGRAMS = { write: 5, hang: 2, deaf: 1 };
/** Durations for which the heartbeats do not tolerate a blocked agent, in ms. */
const BLOCK = { from: 1_400, to: 1_900 };
/** More than `collect` joins, in bytes. */
const HUGE = 17 * 2 ** 20;

/** `program`: for the command agent. `calm`: the caller does not end it. `peaceful`: it does not block the agent. */
export function createJob(random, nonce, { program, calm = false, peaceful = false, taskId, rare }) {
  const kind = calm ? 'write' : pick(random, program ? PROGRAMS : KINDS);
  const size = pick(random, { none: 1, small: 6, kept: 4, large: 2, flood: 1, huge: program ? 0 : rare });
  const [most, piece] = {
    none: [0, 1],
    small: [2_000, whole(random, 1, 400)],
    kept: [60_000, whole(random, 500, 8_000)],
    large: [300_000, whole(random, 4_000, 40_000)],
    flood: [1_500_000, whole(random, 10_000, 200_000)],
    huge: [HUGE, 2 ** 19],
  }[size];
  const base = content.boundary(whole(random, 0, SIZE / 4));
  const length = kind === 'echo' ? 0 : size === 'huge' ? HUGE : whole(random, 0, most);
  const total = content.boundary(base + length) - base;
  // A shell takes milliseconds for each piece.
  const cut = program ? Math.max(piece, Math.ceil(total / 8)) : Math.max(piece, Math.ceil(total / 400));
  const writes = Math.ceil(total / cut);
  const paused = random() < 0.5 && writes > 0;
  const pause = paused ? whole(random, 1, Math.max(1, Math.floor(400 / writes))) : 0;
  const blocks = !program && !calm && !peaceful && kind === 'write' && random() < 0.015;
  const exitCode =
    calm || kind === 'deaf' || kind === 'echo' || kind === 'hang' ? 0 : kind === 'throw' ? 1 : random() < 0.15 ? whole(random, 1, 120) : 0;
  const job = {
    nonce,
    kind,
    program,
    base,
    total,
    writes: program ? Math.ceil(total / 4_096) + 10 : writes,
    piece: cut,
    pause,
    at: blocks ? Math.floor(random() * total) : 0,
    ms: blocks ? whole(random, BLOCK.from, BLOCK.to) : 0,
    awaited: random() < 0.8,
    /** Whether it ends on a cancel. */
    listens: calm || random() < 0.5,
    linger: whole(random, 100, 800),
    exitCode,
    errorText: kind === 'throw' ? `thrown ${nonce}` : program && exitCode !== 0 ? `exit code ${exitCode}` : undefined,
    lastOutput: program || kind === 'throw' || kind === 'hang' ? null : `done ${nonce}`,
    collect: random() < 0.4 || size === 'huge',
    reject: random() < 0.8,
    taskId: taskId ?? (random() < 0.5 ? `task-${nonce}` : undefined),
    timeout: undefined,
    cancelAfter: undefined,
    abortAfter: undefined,
  };
  if (calm) return job;
  // A job that never ends by itself needs an end by its caller.
  const end = pick(random, { none: kind === 'hang' ? 0 : 8, timeout: 3, cancel: 2, abort: 1 });
  const ms = whole(random, 1, random() < 0.3 ? 2_500 : 400);
  if (end === 'timeout') job.timeout = ms;
  if (end === 'cancel') job.cancelAfter = ms;
  if (end === 'abort') job.abortAfter = ms;
  return job;
}

export function requestOf(job, { journal, content }) {
  const { nonce, kind, base, total, piece, pause, at, ms, awaited, listens, linger, exitCode, taskId, program } = job;
  const named = taskId === undefined ? {} : { taskId };
  if (!program) {
    const text = JSON.stringify({ nonce, kind, base, total, piece, pause, at, ms, awaited, listens, linger, exitCode });
    return { command: 'job', args: [text], ...named };
  }
  const args = [journal, content, nonce, base, total, piece, pause / 1_000, kind, exitCode];
  return { command: 'sh', args: [script, ...args.map(String)], ...named };
}

// The reference model: what each caller may see, from what was asked, what the proof has done to the instance, what the host
// has told of it, and what the agent noted. Plain code that shares nothing with the engine.

import { content } from './content.js';

/** Kept for a reader that comes late, as the README promises, and what an update takes beside its output. */
const KEPT = 64 * 1024;
const UPDATE = 64;
/** Output that `collect` joins. */
const COLLECTED = 16 * 2 ** 20;
/** A fault shows by then, in ms: the heartbeats, the reconnect window and the grace together, several times. */
const LATEST = 12_000;
/** What a timer may be early by, in ms. */
const EARLY = 3;

const ENDING = ['stopping', 'stopped'];
const SESSIONLESS = ['reconnecting', 'backoff', 'allocating', 'listening', 'authenticating'];
const STATES = ['ready', 'executing', ...SESSIONLESS, ...ENDING];

/** What happened to an instance between two moments. */
function between(log, from, to, state) {
  const told = log.filter(({ at }) => at >= from && at <= to);
  const before = log.findLast(({ at, what }) => at < from && STATES.includes(what))?.what;
  const has = (...names) => told.some(({ what }) => names.includes(what));
  return {
    /** The link of the session was lost, or the program ended. */
    lost: has('closed', 'exited', 'reconnecting', 'stopping', 'stopped', 'backoff'),
    /** The program was told to end, or has ended. */
    ending: ENDING.includes(before) || has('stopping', 'stopped', 'exited'),
    /** No session was open, so nothing was sent. */
    unsent: SESSIONLESS.includes(state) && !has('opened'),
    stopped: log.some(({ at, what }) => at <= to && ENDING.includes(what)),
  };
}

/** Every end of a connection or a program needs a fault that was done to it. `HEARTBEAT_LOST` may be a busy machine. */
export function judgeInstance({ id, log }) {
  const findings = [];
  let starved = 0;
  for (const { at, what, code, text } of log) {
    if (what !== 'closed' && what !== 'exited') continue;
    const caused = log.some(each => each.fault && each.at <= at + 50 && at - each.at < LATEST);
    if (caused || code === 'ALREADY_CLAIMED') continue;
    if (code === 'HEARTBEAT_LOST' || code === 'heartbeat') starved += 1;
    else findings.push(`${id}: ${what} (${code}: ${text}) at ${at.toFixed(0)}, and nothing was done to it`);
  }
  return { findings, starved };
}

/** `one` is an execution with its job, its outcome and the notes of its readers. */
export function judge(one, journal) {
  const { job, outcome, readers, asked, settled } = one;
  if (outcome === null) return ['it never settled'];
  const wrong = [];
  const { log } = one.host;
  const fate = between(log, asked, settled + 50, one.state);
  const noted = journal.get(job.nonce) ?? { begun: 0, ended: 0, failed: 0, aborted: 0 };
  const { error, result } = outcome;
  const code = error === undefined ? null : (error.code ?? String(error));
  const response = result ?? (code === 'EXECUTION_FAILED' ? error : null);
  const cancelled = job.cancelled ?? job.aborted;

  if (noted.begun > 1) wrong.push(`the agent executed it ${noted.begun} times`);
  if (response !== null && noted.begun === 0 && !fate.ending) wrong.push('it has an answer, and the agent never saw it');

  /** The answer of an agent that nobody disturbs. */
  const expected = () => {
    if (job.kind === 'hang') return false;
    const failed = job.exitCode !== 0;
    if ((code === null && result.status === 'completed') === failed) return false;
    if (response.exitCode !== job.exitCode) return false;
    return !failed || job.errorText === undefined || response.error === job.errorText;
  };
  if (response !== null && !expected()) {
    // A program that has to end says so of what it has in hand.
    if (!fate.ending || (code === null && result.status === 'completed'))
      wrong.push(
        `the answer is ${JSON.stringify({ ...response, output: undefined, message: error?.message })}, which is not what was asked for`,
      );
  } else if (code === 'CANCELLED' && cancelled === undefined) wrong.push('CANCELLED, and nobody cancelled it');
  else if (code === 'EXECUTION_TIMEOUT') {
    if (job.timeout === undefined) wrong.push('EXECUTION_TIMEOUT without a timeout');
    else if (settled - asked < job.timeout - EARLY) wrong.push(`EXECUTION_TIMEOUT after ${settled - asked} of ${job.timeout} ms`);
  } else if (code === 'NOT_DELIVERED') {
    if (noted.begun > 0) wrong.push('NOT_DELIVERED, and the agent executed it');
    if (!fate.lost && !fate.stopped) wrong.push('NOT_DELIVERED, and nothing was lost');
  } else if (code === 'OUTCOME_UNKNOWN') {
    if (!fate.lost) wrong.push('OUTCOME_UNKNOWN, and nothing was lost');
    if (fate.unsent) wrong.push('OUTCOME_UNKNOWN, and no session was open while it waited');
  } else if (code === 'INSTANCE_STOPPED') {
    if (!fate.stopped) wrong.push('INSTANCE_STOPPED, and it was not stopped');
    if (noted.begun > 0) wrong.push('INSTANCE_STOPPED, and the agent executed it');
  } else if (!['CANCELLED', 'OUTCOME_UNKNOWN', 'EXECUTION_FAILED', null].includes(code))
    wrong.push(`rejects with ${code}: ${error.message}`);
  if (one.cancelledLate) wrong.push('it had not settled a turn after cancel()');
  if (noted.aborted > 0 && cancelled === undefined && code !== 'EXECUTION_TIMEOUT' && !fate.lost)
    wrong.push('the agent was told to cancel it, and nobody cancelled it');

  const whole = response !== null && expected();
  wrong.push(...judgeOutput(job, response, whole, fate));
  for (const reader of readers) {
    const faults = judgeReader(reader, job, { code, error, result, whole, fate });
    const place = reader.first ? 'the first reader' : 'a further reader';
    wrong.push(...faults.map(fault => `${fate.lost ? 'link lost' : 'healthy link'}, ${place}, ${reader.kind}: ${fault}`));
  }
  return wrong;
}

/** The output of the result. */
function judgeOutput(job, response, whole, fate) {
  if (!whole) return [];
  const output = response.output ?? '';
  const last = job.lastOutput ?? '';
  const truncated = response.truncatedBytes ?? 0;
  if (!job.collect) {
    if (output !== last) return [`output is '${output.slice(0, 100)}', expected '${last}'`];
    return truncated >= 0 && truncated <= job.total ? [] : [`truncatedBytes ${truncated} of ${job.total}`];
  }
  if (!output.endsWith(last)) return [`the collected output does not end with the answer's own '${last}'`];
  const bytes = Buffer.from(output.slice(0, output.length - last.length));
  const holes = content.holes(bytes, job.base, job.total);
  const wrong = [];
  if (holes === null)
    return [`the collected output (${bytes.length} bytes, ${truncated} truncated, ${job.total} written) is not what was written`];
  if (bytes.length + truncated !== job.total)
    wrong.push(
      `${fate.lost ? 'link lost' : 'healthy link'}: completed with output missing: ${bytes.length} bytes collected and ${truncated} truncated of ${job.total}; holes ${JSON.stringify(holes)}`,
    );
  if (!fate.lost && holes.length > 0) wrong.push(`the collected output has holes in its middle: ${JSON.stringify(holes)}`);
  if (!fate.lost && truncated > 0 && job.total <= COLLECTED)
    wrong.push(`${truncated} bytes truncated below the bound, and nothing was lost`);
  return wrong;
}

/** What one reader was told. */
function judgeReader(reader, job, { code, error, result, whole, fate }) {
  const wrong = [...reader.wrong];
  const { offset, gaps, terminal, ended, left, started, first, kind, thrown } = reader;
  if (offset > job.total) wrong.push(`it was told of ${offset} bytes, ${job.total} were written`);
  for (const { from } of gaps) if (from > 0 && !fate.lost) wrong.push(`a gap at ${from} on a healthy link`);
  const fitsKept = job.total + UPDATE * (job.writes + 2) <= KEPT;
  const early = first && kind !== 'late' && kind !== 'middle' && kind !== 'after';
  if (!fate.lost && gaps.length > 0 && (early || (first && fitsKept)))
    wrong.push(`a gap ${JSON.stringify(gaps)}, though nothing was lost and it is the first reader`);
  if (left) return wrong;
  if (!ended || terminal === null) return [...wrong, `it was never told the end (at offset ${offset})`];
  const status = code === null ? result.status : 'failed';
  if (terminal.status !== status) wrong.push(`its terminal update is ${terminal.status}, the result ${code ?? result.status}`);
  if (thrown !== undefined && thrown !== error) wrong.push(`it throws ${thrown?.code ?? thrown}, the result rejects with ${code}`);
  if (whole) {
    if (reader.cut) wrong.push('completed, and its output ends in the midst of a code point');
    if (offset !== job.total) wrong.push(`completed with updates missing: at offset ${offset} of ${job.total} at the end, and no gap`);
    if (started !== 1) wrong.push(`it was told started ${started} times`);
    if ((terminal.output ?? '') !== (job.lastOutput ?? '')) wrong.push(`its last output is '${(terminal.output ?? '').slice(0, 100)}'`);
  }
  return wrong;
}

// The reference model. It judges the outcome of each execution by its job, the faults and events of its instance, and the journal
// of the agent. It shares no code with the engine.

import { content } from './content.js';

/** The bytes of updates that are kept for a late reader, and those that an update takes beside its output. */
const KEPT = 64 * 1024;
const UPDATE = 64;
/** The most bytes that `collect` joins. */
const COLLECTED = 16 * 2 ** 20;
/** The longest time after which a fault can have an effect, in ms: several times heartbeats, reconnect window and grace. */
const MAX_EFFECT_DELAY = 12_000;
/** How early a timer may fire, in ms. */
const EARLY = 3;

const ENDING = ['stopping', 'stopped'];
const SESSIONLESS = ['reconnecting', 'backoff', 'allocating', 'listening', 'authenticating'];
const STATES = ['ready', 'executing', ...SESSIONLESS, ...ENDING];

/** What happened to an instance between two points in time. */
function between(log, from, to, state) {
  const during = log.filter(({ at }) => at >= from && at <= to);
  const before = log.findLast(({ at, what }) => at < from && STATES.includes(what))?.what;
  const has = (...names) => during.some(({ what }) => names.includes(what));
  return {
    /** The session was lost, or the program ended. */
    lost: has('closed', 'exited', 'reconnecting', 'stopping', 'stopped', 'backoff'),
    /** The program had to end, or has ended. */
    ending: ENDING.includes(before) || has('stopping', 'stopped', 'exited'),
    /** No session was open, so no request was sent. */
    unsent: SESSIONLESS.includes(state) && !has('opened'),
    stopped: log.some(({ at, what }) => at <= to && ENDING.includes(what)),
  };
}

/** Every end of a connection or a program needs a fault that explains it. HEARTBEAT_LOST may also be caused by a busy machine. */
export function judgeInstance({ id, log }) {
  const findings = [];
  let starved = 0;
  for (const { at, what, code, text } of log) {
    if (what !== 'closed' && what !== 'exited') continue;
    const caused = log.some(each => each.fault && each.at <= at + 50 && at - each.at < MAX_EFFECT_DELAY);
    if (caused || code === 'ALREADY_CLAIMED') continue;
    if (code === 'HEARTBEAT_LOST' || code === 'heartbeat') starved += 1;
    else findings.push(`${id}: ${what} (${code}: ${text}) at ${at.toFixed(0)}, without a fault`);
  }
  return { findings, starved };
}

/** What is wrong with `one`: an execution with its job, its outcome and the notes of its readers. */
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
  if (response !== null && noted.begun === 0 && !fate.ending) wrong.push('it has a response, but the agent never started it');

  /** Whether the response is that of an undisturbed agent. */
  const expected = () => {
    if (job.kind === 'hang') return false;
    const failed = job.exitCode !== 0;
    if ((code === null && result.status === 'completed') === failed) return false;
    if (response.exitCode !== job.exitCode) return false;
    return !failed || job.errorText === undefined || response.error === job.errorText;
  };
  if (response !== null && !expected()) {
    // A program that has to end may fail its executions.
    if (!fate.ending || (code === null && result.status === 'completed'))
      wrong.push(
        `the response is ${JSON.stringify({ ...response, output: undefined, message: error?.message })}, which the job does not allow`,
      );
  } else if (code === 'CANCELLED' && cancelled === undefined) wrong.push('CANCELLED without a cancel');
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
    wrong.push('the agent was told to cancel it, without a cancel of the caller');

  const whole = response !== null && expected();
  wrong.push(...judgeOutput(job, response, whole, fate));
  for (const reader of readers) {
    const faults = judgeReader(reader, job, { code, error, result, whole, fate });
    const position = reader.first ? 'the first reader' : 'a further reader';
    wrong.push(...faults.map(fault => `${fate.lost ? 'link lost' : 'healthy link'}, ${position}, ${reader.kind}: ${fault}`));
  }
  return wrong;
}

/** What is wrong with the output of the result. */
function judgeOutput(job, response, whole, fate) {
  if (!whole) return [];
  const output = response.output ?? '';
  const last = job.lastOutput ?? '';
  const truncated = response.truncatedBytes ?? 0;
  if (!job.collect) {
    if (output !== last) return [`output is '${output.slice(0, 100)}', expected '${last}'`];
    return truncated >= 0 && truncated <= job.total ? [] : [`truncatedBytes ${truncated} of ${job.total}`];
  }
  if (!output.endsWith(last)) return [`the collected output does not end with the output of the response '${last}'`];
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

/** What is wrong with the updates of one reader. */
function judgeReader(reader, job, { code, error, result, whole, fate }) {
  const wrong = [...reader.wrong];
  const { offset, gaps, terminal, ended, left, started, first, kind, thrown } = reader;
  if (offset > job.total) wrong.push(`it got ${offset} bytes, but ${job.total} were written`);
  for (const { from } of gaps) if (from > 0 && !fate.lost) wrong.push(`a gap at ${from} on a healthy link`);
  const fitsKept = job.total + UPDATE * (job.writes + 2) <= KEPT;
  const early = first && kind !== 'late' && kind !== 'middle' && kind !== 'after';
  if (!fate.lost && gaps.length > 0 && (early || (first && fitsKept)))
    wrong.push(`a gap ${JSON.stringify(gaps)}, although no connection was lost and it is the first reader`);
  if (left) return wrong;
  if (!ended || terminal === null) return [...wrong, `it got no terminal update (at offset ${offset})`];
  const status = code === null ? result.status : 'failed';
  if (terminal.status !== status) wrong.push(`its terminal update is ${terminal.status}, the result ${code ?? result.status}`);
  if (thrown !== undefined && thrown !== error) wrong.push(`it throws ${thrown?.code ?? thrown}, the result rejects with ${code}`);
  if (whole) {
    if (reader.cut) wrong.push('completed, but its output ends within a code point');
    if (offset !== job.total) wrong.push(`completed with updates missing: at offset ${offset} of ${job.total} at the end, and no gap`);
    if (started !== 1) wrong.push(`it got started ${started} times`);
    if ((terminal.output ?? '') !== (job.lastOutput ?? '')) wrong.push(`its last output is '${(terminal.output ?? '').slice(0, 100)}'`);
  }
  return wrong;
}

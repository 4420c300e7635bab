// Work for an instance of the agent steady.js: executions of every kind, small and large, in both directions, some cancelled. All of
// it is checked byte for byte. It knows no fault: whoever disturbs the instance expects that no caller notices it.
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { content, pick, whole } from './callers/content.js';
import { sleep } from './measure.js';

const agentFile = name => fileURLToPath(new URL(`../agents/${name}`, import.meta.url));
/** What starts the agent; `proxy` is the port of a proxy on the way to the host. */
export const steady = proxy => ({
  artifactId: 'steady',
  command: process.execPath,
  args: ['--import', agentFile('detour.js'), agentFile('steady.js')],
  environment: proxy === undefined ? {} : { SCRIBE_PROXY: String(proxy) },
});

/** Executions at once. */
const ABREAST = 6;
const KINDS = { echo: 6, stream: 4, digest: 2, large: 1, hang: 1 };

function draw(random, nonce) {
  const kind = pick(random, KINDS);
  return {
    kind,
    nonce,
    base: whole(random, 0, 1_000_000),
    total: kind === 'echo' ? 0 : whole(random, 1, random() < 0.7 ? 5_000 : 300_000),
    piece: whole(random, 100, 20_000),
    pause: random() < 0.5 ? 0 : whole(random, 1, 10),
    cancelAfter: kind === 'hang' || random() < 0.1 ? whole(random, 0, 100) : null,
    /** An open reader takes the output of some streams, at times slowly. */
    stall: random() < 0.1 ? whole(random, 1, 50) : 0,
  };
}

/** The most updates at which a reader is slow: else all lanes would read what has arrived, and none would have work in flight. */
const MAX_STALLS = 20;

/** Reads an execution to its end, and returns the number of bytes. Its failure is judged by its result. */
async function read(execution, { base, stall }, wrong) {
  let at = 0;
  let stalls = 0;
  try {
    for await (const { status, output, gap } of execution) {
      if (gap !== undefined) wrong(`a gap from ${gap.from} to ${gap.to}`);
      if (status !== 'running') continue;
      if (!output.equals(content.slice(base + at, output.length))) wrong(`wrong bytes at ${at}`);
      at += output.length;
      if (stall > 0 && stalls < MAX_STALLS) {
        stalls += 1;
        await sleep(stall);
      }
    }
  } catch {}
  return at;
}

/** Keeps the instance at work until `end()`, which returns when all is over and judged. */
export function work(instance, random) {
  const findings = [];
  const figures = { executions: 0, cancelled: 0, readBytes: 0, inputBytes: 0 };
  let inFlight = 0;
  let isOver = false;
  let nonces = 0;

  const one = async () => {
    const job = draw(random, `n${(nonces += 1)}`);
    const { kind, base, total, cancelAfter } = job;
    const wrong = text => findings.push(`${instance.id} ${JSON.stringify(job)}: ${text}`);
    const input = kind === 'digest' ? content.slice(base, total) : undefined;
    const request = { command: 'job', args: [JSON.stringify(job)], ...(input === undefined ? {} : { input }) };
    inFlight += 1;
    figures.executions += 1;
    figures.inputBytes += input?.length ?? 0;
    const execution = instance.execute(request, { encoding: 'buffer' });
    const reading = kind === 'stream' ? read(execution, job, wrong) : null;
    let isCancelled = false;
    let isSettled = false;
    const cancelling =
      cancelAfter !== null &&
      sleep(cancelAfter).then(() => {
        isCancelled = !isSettled;
        execution.cancel('enough');
      });
    const outcome = await execution.result.catch(error => error.code ?? String(error));
    isSettled = true;
    inFlight -= 1;
    const bytes = await reading;
    await cancelling;
    figures.readBytes += bytes ?? 0;
    if (isCancelled) {
      figures.cancelled += 1;
      if (outcome !== 'CANCELLED') wrong(`it was cancelled and ended with ${outcome.status ?? outcome}`);
      return;
    }
    const output = String(outcome.output);
    const expected = {
      echo: () => job.nonce,
      stream: () => job.nonce,
      digest: () => createHash('sha256').update(input).digest('hex'),
      large: () => content.slice(base, total).toString('latin1'),
    };
    if (outcome.status !== 'completed') wrong(`it ended with ${outcome.status ?? outcome}`);
    else if (output !== expected[kind]()) wrong(`its result of ${output.length} characters is wrong`);
    else if (bytes !== null && bytes !== total) wrong(`${bytes} of ${total} bytes were read`);
  };
  const lane = async () => {
    while (!isOver) await one();
  };
  const lanes = Promise.all(Array.from({ length: ABREAST }, lane));

  return {
    figures,
    findings,
    get inFlight() {
      return inFlight;
    },
    async end() {
      isOver = true;
      await lanes;
      // What was cancelled ends at the agent, too.
      for (let tries = 0; ; tries += 1) {
        const { output } = await instance.execute({ command: 'report' }).result;
        const { doubled, running } = JSON.parse(output);
        if (running.length > 0 && tries < 200) await sleep(50);
        else {
          if (running.length > 0) findings.push(`${instance.id} still executes ${running}`);
          if (doubled.length > 0) findings.push(`${instance.id} has executed twice: ${doubled}`);
          break;
        }
      }
      return { findings, figures };
    },
  };
}

/** Events that no disturbance may cause while host and agents live. */
const DEATHS = ['instance.exited', 'instance.unresponsive', 'instance.restarting'];
export const watchDeaths = (spearlet, findings) =>
  spearlet.events$.subscribe(event => {
    if (DEATHS.includes(event.type)) findings.push(`${event.instanceId}: ${event.type} ${event.report?.message ?? ''}`);
  });

export function addUp(sum, figures) {
  for (const [name, value] of Object.entries(figures)) sum[name] = (sum[name] ?? 0) + value;
}

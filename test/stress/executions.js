// 1,000 executions of the command agent, with trees of twelve shapes, that are cancelled, timed out by the host, timed out by the agent,
// abandoned by their reader, or left to end by themselves, at random. None of their processes lives on. `late` are those that lived a second
// after the grace of a cancel: on a busy machine, or one that is slow to reap, a scan of all processes takes its time.
import { readFileSync } from 'node:fs';
import { commandAgent, createSpearlet } from '../../dist/src/index.js';
import { processTable as table } from '../../dist/src/process/tree/proc-table.js';
import { shapes } from '../agents/tree.js';
import { randomOf, sleep } from './measure.js';

const COUNT = 1_000;
const AT_ONCE = 8;
/** The grace of a cancelled program in the command agent, and the second after it, in ms. */
const WAIT = 1_000 + 1_000;
/** How long the late ones may take, in ms. */
const LATEST = 10_000;
const WAYS = ['cancelled', 'host-timeout', 'agent-timeout', 'abandoned', 'ends'];
/** These end only by force. */
const STAYS = new Set(['child', 'shell-wrapper', 'node-wrapper', 'daemon', 'ignores-sigterm', 'fork-loop', 'disguised']);

/** The leaves write their pids to descriptor 3. */
const requestOf = (shape, mark) => ({
  command: 'sh',
  args: ['-c', 'exec 3>&1; exec "$@"', 'sh', ...shapes[shape].start],
  env: { STRESS_MARK: mark },
});

async function executeOne(instance, request, way, delay) {
  if (way === 'agent-timeout') return instance.execute({ ...request, timeout: Math.ceil(delay) }, { reject: false }).result;
  if (way === 'host-timeout') return instance.execute(request, { timeout: Math.ceil(delay) }).result;
  const execution = instance.execute(request, { cancelOnReturn: way === 'abandoned' });
  if (way === 'abandoned') for await (const { status } of execution) if (status === 'running') break;
  if (way === 'cancelled') setTimeout(() => execution.cancel(), delay);
  return execution.result;
}

function marked(prefix) {
  return table.pids().flatMap(pid => {
    try {
      const mark = new RegExp(`\\0STRESS_MARK=(${prefix}[^\\0]*)`).exec(`\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`);
      return mark !== null && table.entry(pid)?.living ? [{ pid, mark: mark[1], command: table.command(pid) }] : [];
    } catch {
      return [];
    }
  });
}

export async function executions(seed, say) {
  const random = randomOf(seed);
  const spearlet = createSpearlet({ logger: false, ports: 0 });
  const instance = await spearlet.start(commandAgent());
  const settled = {};
  let [done, late, left] = [0, 0, 0];
  try {
    while (done < COUNT) {
      const prefix = `${process.pid}-${done}-`;
      const batch = Array.from({ length: Math.min(AT_ONCE, COUNT - done) }, async (_, n) => {
        const shape = Object.keys(shapes)[Math.floor(random() * Object.keys(shapes).length)];
        const way = WAYS[Math.floor(random() * (STAYS.has(shape) ? WAYS.length - 1 : WAYS.length))];
        const outcome = await executeOne(instance, requestOf(shape, `${prefix}${n}-${shape}-${way}`), way, 1 + random() * 300).then(
          ({ status }) => status,
          ({ code }) => code,
        );
        settled[`${way} ${outcome}`] = (settled[`${way} ${outcome}`] ?? 0) + 1;
      });
      await Promise.all(batch);
      done += batch.length;
      await sleep(WAIT);
      late += marked(prefix).length;
      for (let waited = 0; waited < LATEST && marked(prefix).length > 0; waited += 250) await sleep(250);
      for (const { pid, mark, command } of marked(prefix)) {
        left += 1;
        say(`left behind: ${mark}, ${pid}, ${command}`);
      }
    }
    say(`${done} executions, ${left} processes left, ${late} late`);
  } finally {
    await spearlet.stop();
  }
  const atEnd = marked(`${process.pid}-`).length;
  return { passed: left === 0 && atEnd === 0, executions: done, left, late, atEnd, settled };
}

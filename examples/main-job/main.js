// The main job: starts three kinds of agents, gives them real work, and prints each event and each result.
import { fileURLToPath } from 'node:url';
import { commandAgent, createSpearlet } from 'spearlet';

const here = name => fileURLToPath(new URL(name, import.meta.url));
const project = here('../..');
const startedAt = performance.now();
const say = text => console.log(`${((performance.now() - startedAt) / 1000).toFixed(3).padStart(7)} s  ${text}`);

const spearlet = createSpearlet({ logger: false, restart: { backoff: { min: 50, max: 200 } } });
spearlet.events$.subscribe(event => {
  if (event.type === 'instance.state')
    say(`${event.artifactId.padEnd(8)} → ${event.state}${event.incarnation > 1 ? ` (program ${event.incarnation})` : ''}`);
  if (event.type === 'instance.exited')
    say(`${event.artifactId.padEnd(8)}   ended: ${event.report.reason}, ${event.report.signal ?? `exit code ${event.report.code}`}`);
});

const rows = [];

/** Runs one execution, reads all its updates, and adds its result to the table. */
async function run(instance, command, args, { cancelAfter = Infinity, timeout, atFirstUpdate = () => {} } = {}) {
  const execution = instance.execute({ command, args }, { reject: false, ...(timeout === undefined ? {} : { timeout }) });
  let updates = 0;
  let bytes = 0;
  try {
    for await (const { status, output = '' } of execution) {
      if (status !== 'running') continue;
      updates += 1;
      bytes += Buffer.byteLength(output);
      if (updates === 1) atFirstUpdate();
      if (updates === cancelAfter) execution.cancel('the main job needs no more updates');
    }
  } catch {
    // `result` below rejects with the same error.
  }
  const result = await execution.result.catch(error => ({ status: error.code, error: error.message, exitCode: null }));
  rows.push({
    agent: instance.artifactId,
    command: [command, ...args.map(arg => arg.replace(project, './'))].join(' ').slice(0, 44),
    status: result.status,
    'exit code': result.exitCode,
    updates,
    bytes,
    result: (result.output ?? result.error ?? '').slice(0, 56),
  });
}

try {
  // One agent uses serve(), one is the built-in command agent, one is plain Python without an SDK.
  const hasher = await spearlet.start({ artifactId: 'hasher', command: process.execPath, args: [here('hasher.js')], timeout: 30_000 });
  const runner = await spearlet.start({
    artifactId: 'runner',
    ...commandAgent(),
    timeout: 30_000,
    restart: 'permanent',
  });
  const counter = await spearlet
    .start({ artifactId: 'counter', command: 'python3', args: [here('counter.py')], timeout: 30_000 })
    .catch(error => {
      if (error.code !== 'SPAWN_FAILED') throw error;
      say(`the job runs without counter: ${error.message}`);
      return null;
    });

  const sources = [
    ['src', '.ts'],
    ['machines', '.ts'],
    ['test', '.ts'],
    ['examples', '.js'],
    ['docs', '.md'],
  ].map(([name, ending]) => [`${project}${name}`, ending]);
  await Promise.all([
    ...sources.flatMap(([folder, ending]) => [
      run(hasher, 'hash', [folder, ending]),
      ...(counter ? [run(counter, 'count', [folder, ending])] : []),
    ]),
    ...['protocol', 'execution', 'agent', 'connection', 'instance', 'process'].map(name =>
      run(hasher, 'hash', [`${project}src/${name}`, '.ts']),
    ),
    ...['README.md', 'package.json', 'LICENSE'].map(name => run(runner, 'wc', ['-l', `${project}${name}`])),
    run(runner, 'sha256sum', [`${project}package.json`]),
    run(runner, 'sh', ['-c', `find ${project}src -name '*.ts' | sort | xargs wc -l`]),
    run(hasher, 'hash', [`${project}src`, '.cobol']),
    run(hasher, 'watch', [`${project}src`], { cancelAfter: 3 }),
    run(runner, 'sleep', ['60'], { timeout: 300 }),
  ]);
  // The agent is killed during an execution: the caller gets OUTCOME_UNKNOWN, and the agent is restarted.
  await run(runner, 'sh', ['-c', 'echo started; sleep 60'], { atFirstUpdate: () => process.kill(runner.pid, 'SIGKILL') });
  await run(runner, 'echo', ['restarted, as program', '2']);
} finally {
  await spearlet.stop();
}

console.table(rows);
const count = status => rows.filter(row => row.status === status).length;
const [completed, failed, cancelled, timedOut, unknown] = ['completed', 'failed', 'CANCELLED', 'EXECUTION_TIMEOUT', 'OUTCOME_UNKNOWN'].map(
  count,
);
say(
  `${rows.length} executions: ${completed} completed, ${failed} failed as expected, ${cancelled} cancelled, ${timedOut} timed out, ${unknown} with unknown outcome`,
);
if (rows.length < 20 || completed !== rows.length - 4 || failed !== 1 || cancelled !== 1 || timedOut !== 1 || unknown !== 1)
  process.exitCode = 1;

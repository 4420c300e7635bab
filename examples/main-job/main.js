// The main job: three kinds of agents at once, real work, and everything that becomes of it shown as it happens.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';

const here = name => fileURLToPath(new URL(name, import.meta.url));
const project = here('../..');
const cli = fileURLToPath(new URL('cli/main.js', import.meta.resolve('spearlet')));
const began = performance.now();
const say = text => console.log(`${((performance.now() - began) / 1000).toFixed(3).padStart(7)} s  ${text}`);

const spearlet = createSpearlet({ logger: false, restart: { backoff: { min: 50, max: 200 } } });
spearlet.events$.subscribe(event => {
  if (event.type === 'instance.state')
    say(`${event.artifactId.padEnd(8)} → ${event.state}${event.incarnation > 1 ? ` (program ${event.incarnation})` : ''}`);
  if (event.type === 'instance.exited')
    say(`${event.artifactId.padEnd(8)}   ended: ${event.report.reason}, ${event.report.signal ?? `exit code ${event.report.code}`}`);
});

const rows = [];

/** One execution, read to its end; what came of it goes into the table. */
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
      if (updates === cancelAfter) execution.cancel('the main job has seen enough');
    }
  } catch {
    // The result tells it, below.
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
  // On serve(), as the command agent, and in plain Python.
  const hasher = await spearlet.start({ artifactId: 'hasher', command: process.execPath, args: [here('hasher.js')], timeout: 30_000 });
  const runner = await spearlet.start({
    artifactId: 'runner',
    command: process.execPath,
    args: [cli, 'agent'],
    timeout: 30_000,
    restart: 'permanent',
  });
  const counter = await spearlet
    .start({ artifactId: 'counter', command: 'python3', args: [here('counter.py')], timeout: 30_000 })
    .catch(error => {
      if (error.code !== 'SPAWN_FAILED') throw error;
      say(`counter is left out: ${error.message}`);
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
  // Killed in the middle of its work: its caller is told the truth, and it is started anew.
  await run(runner, 'sh', ['-c', 'echo begun; sleep 60'], { atFirstUpdate: () => process.kill(runner.pid, 'SIGKILL') });
  await run(runner, 'echo', ['at work again, as program', '2']);
} finally {
  await spearlet.stop();
}

console.table(rows);
const count = status => rows.filter(row => row.status === status).length;
const [completed, failed, cancelled, late, unknown] = ['completed', 'failed', 'CANCELLED', 'EXECUTION_TIMEOUT', 'OUTCOME_UNKNOWN'].map(
  count,
);
say(
  `${rows.length} executions: ${completed} completed, ${failed} failed as it should, ${cancelled} cancelled, ${late} timed out, ${unknown} lost with its process`,
);
if (rows.length < 20 || completed !== rows.length - 4 || failed !== 1 || cancelled !== 1 || late !== 1 || unknown !== 1)
  process.exitCode = 1;

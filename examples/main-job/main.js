// The main job: two kinds of agents at once, real work, and everything that becomes of it shown as it happens.
import { fileURLToPath } from 'node:url';
import { createSpearlet } from 'spearlet';

const here = name => fileURLToPath(new URL(name, import.meta.url));
const project = here('../..');
const began = performance.now();
const say = text => console.log(`${((performance.now() - began) / 1000).toFixed(3).padStart(7)} s  ${text}`);

await using_(createSpearlet({ logger: false }), async spearlet => {
  spearlet.events$.subscribe(event => {
    if (event.type === 'instance.state') say(`${event.artifactId.padEnd(8)} → ${event.state}`);
  });

  const hasher = await spearlet.start({ artifactId: 'hasher', command: process.execPath, args: [here('hasher.js')], timeout: 30_000 });
  const counter = await spearlet
    .start({ artifactId: 'counter', command: 'python3', args: [here('counter.py')], timeout: 30_000 })
    .catch(error => {
      if (error.code !== 'SPAWN_FAILED') throw error;
      say(`counter is left out: ${error.message}`);
      return null;
    });

  const rows = [];
  const run = async (instance, command, args, { cancelAfter = Infinity } = {}) => {
    const execution = instance.execute({ command, args }, { reject: false });
    let updates = 0;
    let bytes = 0;
    try {
      for await (const { status, output = '' } of execution) {
        if (status !== 'running') continue;
        updates += 1;
        bytes += Buffer.byteLength(output);
        if (updates === cancelAfter) execution.cancel('the main job has seen enough');
      }
    } catch {
      // The result tells it, below.
    }
    const result = await execution.result.catch(error => ({ status: error.code, error: error.message, exitCode: null }));
    rows.push({
      agent: instance.artifactId,
      command: [command, ...args.map(arg => arg.replace(project, './'))].join(' '),
      status: result.status,
      'exit code': result.exitCode,
      updates,
      bytes,
      result: (result.output ?? result.error ?? '').slice(0, 60),
    });
  };

  const folders = [
    ['src', '.ts'],
    ['machines', '.ts'],
    ['test', '.ts'],
    ['examples', '.js'],
  ].map(([name, ending]) => [`${project}${name}`, ending]);
  const work = folders.flatMap(([folder, ending]) => [
    run(hasher, 'hash', [folder, ending]),
    ...(counter ? [run(counter, 'count', [folder, ending])] : []),
  ]);
  work.push(
    run(hasher, 'hash', [`${project}examples`, '.py']),
    run(hasher, 'hash', [`${project}src`, '.cobol']),
    run(hasher, 'watch', [project], { cancelAfter: 3 }),
  );
  work.push(...['protocol', 'runtime', 'agent'].map(name => run(hasher, 'hash', [`${project}src/${name}`, '.ts'])));
  await Promise.all(work);
  await spearlet.stop();

  console.table(rows);
  const failed = rows.filter(row => row.status === 'failed').length;
  const cancelled = rows.filter(row => row.status === 'CANCELLED').length;
  const completed = rows.filter(row => row.status === 'completed').length;
  say(`${rows.length} executions: ${completed} completed, ${failed} failed as it should, ${cancelled} cancelled`);
  if (rows.length < 10 || failed !== 1 || cancelled !== 1 || completed !== rows.length - 2) process.exitCode = 1;
});

/** `await using`, for a Node that does not have it. */
async function using_(resource, use) {
  try {
    await use(resource);
  } finally {
    await resource[Symbol.asyncDispose]();
  }
}

// A host whose programs write so many MB without a newline; says by how much its memory grew after 200 MB of warm-up.
import { createOutput } from '../../dist/src/process/output/output.js';
import { spawnProgram } from '../../dist/src/process/spawn.js';

const flood = megabytes =>
  new Promise(resolve => {
    const output = createOutput(64 * 1024, new Set());
    let exited = false;
    let closed = false;
    const done = () => {
      if (exited && closed) resolve({ output, asked: megabytes * 1e6 });
    };
    spawnProgram(
      {
        command: '/bin/sh',
        args: ['-c', `head -c ${megabytes}000000 /dev/zero`],
        workingDirectory: '/',
        environment: { PATH: '/usr/bin:/bin' },
      },
      output,
      {
        spawned() {},
        failed() {},
        exited() {
          exited = true;
          done();
        },
        closed() {
          closed = true;
          done();
        },
      },
    );
  });

await flood(200);
globalThis.gc();
const before = process.memoryUsage.rss();
let peak = 0;
const began = performance.now();
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 5);
const { output, asked } = await flood(Number(process.argv[2]));
clearInterval(watch);
process.stdout.write(
  JSON.stringify({
    grewBy: Math.max(peak, process.memoryUsage.rss()) - before,
    counted: output.totalBytes,
    asked,
    dropped: output.droppedBytes,
    kept: output.kept().reduce((sum, { text }) => sum + text.length, 0),
    seconds: (performance.now() - began) / 1000,
    rss: process.memoryUsage.rss(),
  }),
);

// A program that starts a tree of processes of a given shape: `tree.js <shape> [seconds between generations]`. It collects
// the pids of all leaves and writes them to stdout as one line. Then it becomes an agent if a host has started it, or waits.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

// A leaf writes its pid to descriptor 3, closes it, and sleeps. It ends by itself after some time, whatever happens.
const leaf = 'echo $$ >&3; exec sleep 900 3>&-';
const quoted = `sh -c '${leaf}'`;
const own = fileURLToPath(import.meta.url);
// Each generation starts the next one and exits; the last of 2000 starts none.
const loop = 'echo $$ >&3; exec 3>/dev/null; sleep $2; [ $1 -gt 0 ] && setsid sh -c "$0" "$0" $(($1 - 1)) $2 & exit';
const pause = process.argv[3] ?? '0.02';

/** By shape: the program that is started, and how many leaves it has. */
export const shapes = {
  child: { start: ['sh', '-c', leaf] },
  background: { start: ['sh', '-c', `${quoted} & ${quoted} & exit`], leaves: 2 },
  'shell-wrapper': { start: ['sh', '-c', `${quoted}; true`] },
  'node-wrapper': { start: [process.execPath, own, 'wrap'] },
  'double-fork': { start: ['sh', '-c', `(${quoted} & ) & exit`] },
  daemon: { start: ['setsid', 'sh', '-c', leaf] },
  nohup: { start: ['sh', '-c', `nohup ${quoted} </dev/null >/dev/null 2>&1 & exit`] },
  'double-fork-daemon': { start: ['sh', '-c', `setsid sh -c "(${quoted.replaceAll('$', '\\$')} & ) & exit" & exit`] },
  'ignores-sigterm': { start: ['setsid', 'sh', '-c', `trap '' TERM HUP INT; ${leaf}`] },
  'holds-output': { start: ['sh', '-c', `setsid ${quoted} & exit`], output: 'inherit' },
  'fork-loop': { start: ['setsid', 'sh', '-c', loop, loop, '2000', pause] },
  disguised: { start: ['sh', '-c', `cd / && exec setsid bash -c 'echo $$ >&3; exec -a "[kworker/0:7]" sleep 900 3>&-'`] },
};
/** Shapes beside the twelve: without its environment a leaf is found only while its parent lives, or inside a namespace. */
export const hidden = {
  'clears-environment': { start: ['sh', '-c', `env -i setsid ${quoted} & wait`] },
  escapes: { start: ['sh', '-c', `(env -i setsid ${quoted} & ) & exit`] },
};

async function grow({ start, leaves = 1, output = 'ignore' }) {
  const child = spawn(start[0], start.slice(1), { stdio: ['ignore', output, output, 'pipe'] });
  let text = '';
  await new Promise(resolve => {
    child.stdio[3].on('data', chunk => {
      text += chunk;
      if (text.split('\n').length > leaves) resolve();
    });
  });
  child.stdio[3].destroy();
  return text.trim().split('\n').map(Number);
}

const shape = process.argv[2];
if (process.argv[1] === own && shape === 'wrap') spawn('sh', ['-c', leaf], { stdio: ['ignore', 'ignore', 'ignore', 3] });
else if (process.argv[1] === own) {
  const pids = await grow({ ...shapes, ...hidden }[shape]);
  process.stdout.write(`${JSON.stringify(pids)}\n`);
  if (process.env.SPEARLET_ADDR === undefined) setInterval(() => {}, 60_000);
  else {
    const { serve } = await import('spearlet/agent');
    await serve({
      pids: () => JSON.stringify(pids),
      crash: () => process.abort(),
      exit: () => process.exit(0),
      hang: () => new Promise(() => {}),
    });
  }
}

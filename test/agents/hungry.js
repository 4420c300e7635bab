// Takes so many MB a second, up to so many MB, and keeps them: `hungry.js <MB/s> <MB> [self | child | shared]`.
import { spawn } from 'node:child_process';

const [rate, most, who = 'self'] = process.argv.slice(2);
if (who === 'child') spawn(process.execPath, [process.argv[1], rate, most, 'self'], { stdio: ['ignore', 'inherit', 'inherit'] });
else {
  const held = [];
  const began = performance.now();
  const timer = setInterval(() => {
    const wanted = Math.min(Number(most), (Number(rate) * (performance.now() - began)) / 1000);
    while (held.length < wanted) held.push(Buffer.alloc(1e6, 1));
    process.stdout.write(`${held.length}\n`);
    if (held.length >= Number(most)) clearInterval(timer);
  }, 5);
}
setInterval(() => {}, 60_000);

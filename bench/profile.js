// Reads a .cpuprofile: which functions the time of a process went to.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const IDLE = '(idle)';
const GARBAGE = '(garbage collector)';

/** The functions with the most time of their own, in µs, without their callees; `busy` and `garbage` are sums, in µs. */
export function readProfile(file, count) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map();
  // A delta is the time before its sample: it belongs to the sample before.
  for (let n = 0; n + 1 < samples.length; n += 1) {
    const name = names.get(samples[n]);
    times.set(name, (times.get(name) ?? 0) + timeDeltas[n + 1]);
  }
  const idle = times.get(IDLE) ?? 0;
  times.delete(IDLE);
  const busy = [...times.values()].reduce((sum, each) => sum + each, 0);
  const top = [...times].sort(([, a], [, b]) => b - a).slice(0, count);
  return { busy, idle, garbage: times.get(GARBAGE) ?? 0, top };
}

function nameOf({ functionName, url, lineNumber }) {
  if (url === '') return functionName || '(anonymous)';
  return `${functionName || '(anonymous)'} ${url.startsWith('node:') ? url : basename(url)}:${lineNumber + 1}`;
}

const percent = share => `${(100 * share).toFixed(1)} %`;

/** As text: one line for each function. */
export function describeProfile(title, { file, allocated, collections }, costs, requests) {
  const { busy, idle, garbage, top } = readProfile(file, 15);
  const io =
    costs.reads === undefined
      ? ''
      : `, ${costs.reads.toFixed(3)} reads, ${costs.writes.toFixed(3)} writes, ${costs.written.toFixed(0)} bytes written`;
  return [
    `${title}: ${costs.cpu.toFixed(2)} µs of CPU a request${io}, ${allocated.toFixed(0)} bytes allocated on the heap`,
    `  garbage collection ${percent(garbage / busy)} of the busy time, in ${collections} collections; idle ${percent(idle / (busy + idle))} of the whole time`,
    ...top.map(([name, time]) => `  ${percent(time / busy).padStart(7)} ${(time / requests).toFixed(3).padStart(9)} µs a request  ${name}`),
    `  ${file}`,
  ].join('\n');
}

// `npm run bench`: runs every workload with every peer, interleaved, and prints medians, ratios, costs and targets as Markdown.
// Each measurement is a process of its own. Only ratios within one run mean anything.
//   -- --quick          one round, a twentieth of the requests, without the slow workloads
//   -- --only W2,W6     some workloads; `W1` is both W1/1 and W1/2
//   -- --peers a,b      some peers, by the names of peers.js
//   -- --rounds 5       3 if it is not given
//   -- --json           everything as JSON
//   -- --profile W2     spearlet alone, with a CPU profile of host and agent
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { install } from './install.js';
import { peers } from './peers.js';
import { describeProfile } from './profile.js';
import { createReport, describe } from './report.js';
import { workloads } from './workloads.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'string' },
    rounds: { type: 'string' },
    profile: { type: 'string' },
  },
});
const fail = (message, code = 2) => {
  process.stderr.write(`${message}\n`);
  process.exit(code);
};
const note = message => process.stderr.write(`${message}\n`);
const scale = values.quick ? 0.05 : 1;
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds is '${values.rounds}', expected a number from 1`);

/** A name chooses itself, and what stands below it after a slash. */
function chosen(option, all, names) {
  if (names === undefined) return all;
  const wanted = names.split(',').map(each => each.trim());
  const matches = (name, each) => name === each || name.startsWith(`${each}/`);
  const unknown = wanted.find(each => !all.some(({ name }) => matches(name, each)));
  if (unknown !== undefined) fail(`${option}: there is no '${unknown}', only ${all.map(({ name }) => name).join()}`);
  return all.filter(({ name }) => wanted.some(each => matches(name, each)));
}

/** Cores that this process may use. */
function cores() {
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return list.split(',').flatMap(range => {
    const [from, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, n) => from + n);
  });
}

/** Why this machine cannot run a workload; null where it can. */
function obstacle({ cores: wanted = 0, isSlow }) {
  if (isSlow && values.quick) return 'too slow for --quick';
  if (wanted === 0) return null;
  if (process.platform !== 'linux') return 'pinning to cores needs taskset, and so Linux';
  return cores().length < wanted ? `there are fewer than ${wanted} cores` : null;
}

/** The host of a measurement can take this long, in ms. */
const TIMEOUT = 600_000;

function measure(workload, peer, folder) {
  const input = JSON.stringify({ workload: workload.name, peer: peer.name, scale, folder });
  const command = [process.execPath, '--expose-gc', join(import.meta.dirname, 'measure.js'), input];
  if (workload.cores !== undefined) command.unshift('taskset', '-c', cores().slice(0, workload.cores).join());
  return new Promise((resolve, reject) => {
    const host = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT });
    const output = { stdout: '', stderr: '' };
    for (const channel of ['stdout', 'stderr'])
      host[channel].setEncoding('utf8').on('data', text => {
        output[channel] = (output[channel] + text).slice(-100_000);
      });
    host.on('error', reject);
    host.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(output.stdout.trim().split('\n').at(-1)));
      else reject(new Error(`${workload.name} of ${peer.name} ended with ${signal ?? code}: ${output.stderr.slice(-2_000)}`));
    });
  });
}

async function profile(name) {
  // `W1` is W1/2 here.
  const [workload] = chosen(
    '--profile',
    workloads.filter(each => /^W[1-4]/.test(each.name)),
    name,
  );
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-profile-'));
  const { value, requests, profiles, ...sides } = await measure(
    workload,
    peers.find(each => each.name === 'spearlet'),
    folder,
  );
  if (values.json) return console.log(JSON.stringify({ workload: name, value, requests, profiles, ...sides }));
  console.log(`${workload.title}: ${value.toFixed(1)} while it was profiled; ${requests} requests\n`);
  for (const [n, side] of ['host', 'agent'].entries()) console.log(`${describeProfile(side, profiles[n], sides[side], requests)}\n`);
}

async function compare() {
  const run = {
    command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    date: new Date().toISOString().slice(0, 16),
    commit:
      spawnSync('git', ['describe', '--always', '--dirty'], { cwd: import.meta.dirname, encoding: 'utf8' }).stdout?.trim() || 'unknown',
    node: process.versions.node,
    cores: availableParallelism(),
    load: loadavg()[0].toFixed(1),
    rounds,
  };
  const measured = [];
  const compared = chosen('--peers', peers, values.peers).filter(({ isExtra }) => values.peers !== undefined || !isExtra);
  const selected = chosen('--only', workloads, values.only).filter(workload => {
    const why = obstacle(workload);
    if (why !== null) note(`${workload.name} is left out: ${why}`);
    return why === null;
  });
  for (let round = 1; round <= rounds; round += 1)
    for (const workload of selected)
      for (const peer of compared) {
        if ((workload.idle && !peer.holdsIdle) || (workload.isSlow && round > 1)) continue;
        try {
          const result = await measure(workload, peer);
          measured.push({ workload: workload.name, peer: peer.name, result });
          note(`round ${round}: ${workload.title}: ${peer.name} ${result.value.toFixed(1)}`);
        } catch (error) {
          // What was measured in half an hour is not lost with it.
          note(error.message);
          process.exitCode = 1;
        }
      }
  const report = createReport(run, measured);
  console.log(values.json ? JSON.stringify(report) : describe(report));
}

try {
  install();
  await (values.profile === undefined ? compare() : profile(values.profile));
} catch (error) {
  fail(error.message, 1);
}

// `npm run matrix`: installs the packed spearlet as a user does, beside another rxjs; compiles the examples with each TypeScript,
// and runs the README's example on each Node. npx keeps the compilers and the Nodes for the next run.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pack, printed, writePrograms } from './user.js';

const TYPESCRIPTS = ['5.2', '5.5', '5.9', '7'];
const NODES = ['20', '22', '24', '26'];
/** How many run at once. */
const LANES = 4;

const folder = mkdtempSync(join(tmpdir(), 'spearlet-matrix-'));
const run = (command, args) => promisify(execFile)(command, args, { cwd: folder });
const npx = (version, command, ...args) => run('npx', ['--yes', '--prefer-offline', '--package', version, '--', command, ...args]);

const compile = version => async () => {
  await npx(`typescript@${version}`, 'tsc', '-p', '.');
  return `TypeScript ${version} compiles README.md and docs/api.md`;
};
const execute = version => async () => {
  const { stdout: name } = await npx(`node@${version}`, 'node', '--version');
  if (!name.startsWith(`v${version}.`)) throw new Error(`npx ran Node ${name}, not ${version}`);
  const { stdout } = await npx(`node@${version}`, 'node', 'example.mjs');
  if (stdout !== printed) throw new Error(`the example printed ${JSON.stringify(stdout)}`);
  await npx(`node@${version}`, 'node', '--input-type=module', '-e', "await import('spearlet/machines')");
  return `Node ${name.trim()} runs the README's example`;
};

const jobs = [
  ...TYPESCRIPTS.map(version => [`TypeScript ${version}`, compile(version)]),
  ...NODES.map(version => [`Node ${version}`, execute(version)]),
];
let failures = 0;
async function lane() {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
    try {
      console.log(await job[1]());
    } catch (error) {
      failures += 1;
      console.error(`${job[0]} FAILED: ${error.message}\n${error.stdout ?? ''}`);
    }
  }
}

try {
  writePrograms(folder);
  const { tarball } = await pack(folder);
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball, 'rxjs@7.8.1', '@types/node@20']);
  const { stdout } = await run('npm', ['ls', 'rxjs', '--parseable', '--all']);
  const copies = stdout
    .trim()
    .split('\n')
    .filter(line => line.endsWith('rxjs'));
  if (copies.length !== 1) throw new Error(`there is more than one rxjs: ${copies.join(', ')}`);
  await Promise.all(Array.from({ length: LANES }, lane));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;

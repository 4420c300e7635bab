// `npm run mutate` tries the mutants of the charts, `npm run mutate -- --src …` those of src.
import { spawnSync } from 'node:child_process';

const args = process.argv.slice(2);
const [program, ...rest] = args.includes('--src')
  ? ['tsx', 'test/mutants/main.ts', ...args]
  : ['vitest', 'run', 'test/model/mutants', '--disable-console-intercept', ...args];
const { status } = spawnSync(program, rest, { stdio: 'inherit', env: { MUTANTS: 'all', ...process.env } });
process.exitCode = status ?? 1;

#!/usr/bin/env node
// The command `spearlet`. It says what it is; `run`, `exec` and `agent` are still to come.
import { readFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
const [argument] = process.argv.slice(2);

if (argument === '--version') process.stdout.write(`${version}\n`);
else {
  process.stderr.write('usage: spearlet --version\n');
  process.exitCode = argument === '--help' ? 0 : 2;
}

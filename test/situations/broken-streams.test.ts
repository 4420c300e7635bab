// The command line when stdout or stderr cannot be written, and when it prints text of agents, programs and files.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { atEnd } from '../census/census.ts';
import { agent, begin, configFile, program, spearlet } from './command.ts';
import { cli } from './world.ts';

/** Streams that fail, each with a different error. */
const broken = {
  'a full disk (ENOSPC)': () => opened('/dev/full', 'w'),
  'a descriptor for reading only (EBADF)': () => opened('/dev/null', 'r'),
  'a reader that has left (EPIPE)': () => 'pipe' as const,
};
function opened(path: string, flags: string): number {
  const fd = openSync(path, flags);
  atEnd(() => closeSync(fd));
  return fd;
}

const failing = ['sh', '-c', 'echo out; echo err >&2; exit 7'];
const cases: Record<string, [code: number, args: () => string[]]> = {
  'exec, with the exit code of the execution': [7, () => ['exec', configFile(agent), '--', ...failing]],
  'exec --json, with the exit code of the execution': [7, () => ['exec', '--json', configFile(agent), '--', ...failing]],
  'exec, timed out': [124, () => ['exec', '--timeout', '0.2', configFile(agent), '--', 'sleep', '100']],
  'exec, no agent': [125, () => ['exec', configFile(program('no-such-file')), '--', 'x']],
  'exec, bad configuration': [2, () => ['exec', configFile('{'), '--', 'x']],
  'run, given up': [1, () => ['run', configFile(program('fleeting.js', 'crash'))]],
  'run --json, given up': [1, () => ['run', '--json', configFile(program('fleeting.js', 'crash'))]],
  'run, bad configuration': [2, () => ['run', configFile('[]')]],
  'run, not started': [3, () => ['run', configFile(program('no-such-file'))]],
  help: [0, () => ['--help']],
  version: [0, () => ['--version']],
  'bad usage': [2, () => ['exec', '--no-such-option']],
  'agent without a host': [2, () => ['agent']],
};
const some = Object.keys(cases).filter(name => /exit code|given up|usage|help/.test(name));

describe.each(Object.entries(broken))('stdout and stderr that are %s', (name, stream) => {
  test.each(name.includes('ENOSPC') ? Object.keys(cases) : some)('do not change the exit code: %s', async which => {
    const [code, args] = cases[which]!;
    const command = begin(args(), ['ignore', stream(), stream()]);
    // For EPIPE the test closes its end of the pipes before anything is written.
    command.child.stdout?.destroy();
    command.child.stderr?.destroy();
    expect(await command.ended).toBe(code);
  });
});

test('exec reports a full disk once, on stderr', async () => {
  const args = ['exec', configFile(agent), '--', 'sh', '-c', 'echo one; sleep 0.1; echo two; exit 7'];
  const exec = begin(args, ['ignore', opened('/dev/full', 'w'), 'pipe']);
  expect(await exec.ended).toBe(7);
  expect(exec.text.stderr.match(/ENOSPC/g)).toHaveLength(1);
});

test('exec passes every byte to a slow reader, and the exit code', async () => {
  const count = 20_000_000;
  const args = ['exec', configFile(agent), '--', 'sh', '-c', `head -c ${count} /dev/zero | tr '\\0' x; exit 7`];
  const exec = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  atEnd(() => void exec.kill('SIGKILL'));
  await once(
    exec.stdout.once('readable', () => {}),
    'readable',
  );
  let bytes = 0;
  exec.stdout.on('data', chunk => {
    bytes += chunk.length;
  });
  expect((await once(exec, 'close'))[0]).toBe(7);
  expect(bytes).toBe(count);
});

describe('text of agents, programs and files', () => {
  /** Clears a screen in two ways, turns the direction, begins lines, and rings. */
  const hostile = 'a\x1b[2J\x9b2Jb\u202ec\u2028d\x07\r\x85\x7f';
  const shown = 'a\\x1b[2J\\x9b2Jb\\u{202e}c\\u{2028}d\\x07\\x0d\\x85\\x7f';
  const unsafe = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/;
  const crier = (more: string) => ({
    runtime_type: 'process',
    config: {
      command: process.execPath,
      args: ['-e', `process.stderr.write(${JSON.stringify(hostile)} + '\\nspearlet: forged\\n');${more}`],
    },
  });

  test('is escaped in errors, and none of its lines looks like a line of spearlet', async () => {
    const outcomes = await Promise.all([
      spearlet('exec', configFile(crier('process.exit(3)')), '--', 'x'),
      spearlet('run', configFile({ instances: [{ ...crier('process.exit(3)'), name: `name${hostile}` }] })),
      spearlet('run', `/no/such/${hostile}`),
    ]);
    expect(outcomes.map(({ code }) => code)).toEqual([125, 3, 2]);
    for (const { stdout, stderr } of outcomes) {
      expect(stderr).toContain(shown);
      expect(stderr).not.toMatch(/^spearlet: forged/m);
      expect(stdout + stderr).not.toMatch(unsafe);
    }
  });

  test('is escaped in JSON, and keeps its meaning', async () => {
    const { stdout, code } = await spearlet('exec', '--json', configFile(agent), '--', 'printf', '%s', hostile);
    expect(code).toBe(0);
    expect(stdout).not.toMatch(unsafe);
    const outputs = stdout
      .trim()
      .split('\n')
      .map(line => (JSON.parse(line) as { output?: string }).output ?? '');
    expect(outputs.join('')).toContain(hostile);
  });

  test('is unchanged if it is the output of an execution', async () => {
    const { stdout } = await spearlet('exec', configFile(agent), '--', 'printf', '%s', hostile);
    expect(stdout).toBe(hostile);
  });
});

// `spearlet exec` passes stdin, stdout, stderr and the exit code through, byte for byte.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bounds } from '../../src/limits.ts';
import { atEnd } from '../census/census.ts';
import { agent, configFile, spearlet, temporaryFolder } from './command.ts';
import { agentFile, cli } from './world.ts';

interface Passed {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Runs `exec` with a stdin that the test writes and ends, or with a descriptor. */
async function exec(args: string[], input: Uint8Array | number | null = null, config: unknown = agent): Promise<Passed> {
  const stdin = typeof input === 'number' ? input : 'pipe';
  const child = spawn(process.execPath, [cli, 'exec', ...args.flatMap(each => (each === 'FILE' ? [configFile(config)] : [each]))], {
    stdio: [stdin, 'pipe', 'pipe'],
  });
  atEnd(() => void child.kill('SIGKILL'));
  child.stdin?.on('error', () => {});
  if (input !== null && typeof input !== 'number') child.stdin!.end(input);
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  for (const stream of ['stdout', 'stderr'] as const) child[stream]!.on('data', (chunk: Buffer) => chunks[stream].push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  child.stdin?.destroy();
  return { code, stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr) };
}

const everyByte = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), randomBytes(100_000)]);

describe('the standard input', () => {
  test('of a pipe, a socket and a file goes to the program, byte for byte', async () => {
    const path = join(temporaryFolder(), 'input');
    writeFileSync(path, everyByte);
    const fd = openSync(path, 'r');
    atEnd(() => closeSync(fd));
    const script = `cat '${path}' | '${process.execPath}' '${cli}' exec '${configFile(agent)}' cat`;
    const [socket, file, pipe] = await Promise.all([
      exec(['FILE', 'cat'], everyByte),
      exec(['FILE', 'cat'], fd),
      (async () => execFileSync('sh', ['-c', script], { maxBuffer: 2 ** 20 }))(),
    ]);
    expect(socket.stdout.equals(everyByte)).toBe(true);
    expect(file.stdout.equals(everyByte)).toBe(true);
    expect(pipe.equals(everyByte)).toBe(true);
  });

  test('that gives nothing and never ends is not waited for, if it is the socket of a parent', async () => {
    expect(await exec(['FILE', 'cat'], null)).toMatchObject({ code: 0, stderr: Buffer.from('') });
  });

  test('of such a socket that begins after the command is said to be lost', async () => {
    const child = spawn(process.execPath, [cli, 'exec', configFile(agent), 'sh', '-c', 'echo begun; sleep 600'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    atEnd(() => void child.kill('SIGKILL'));
    child.stdin.on('error', () => {});
    await once(child.stdout, 'data');
    child.stdin.write('late');
    const [message] = (await once(child.stderr, 'data')) as [Buffer];
    expect(String(message)).toBe('spearlet: INPUT_LOST: stdin began after the command: the command does not get it\n');
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  test('beyond the bound is refused with the way out, and the program does not run', async () => {
    const { code, stdout, stderr } = await exec(['FILE', 'echo', 'runs'], new Uint8Array(bounds.execInput + 1));
    expect([code, String(stdout)]).toEqual([2, '']);
    expect(String(stderr)).toMatch(/^spearlet: INVALID_OPTIONS: stdin has more than 16777216 bytes.*\n {2}Write it to a file.*--no-input/);
  });

  test('at the bound goes to the program, and with --no-input none does', async () => {
    const [all, none] = await Promise.all([
      exec(['FILE', 'wc', '-c'], new Uint8Array(bounds.execInput)),
      exec(['--no-input', 'FILE', 'wc', '-c'], new Uint8Array(10)),
    ]);
    expect([String(all.stdout).trim(), String(none.stdout).trim()]).toEqual([String(bounds.execInput), '0']);
  });
});

test('what the program writes to stdout and stderr comes out on the same stream, byte for byte, and nothing more', async () => {
  const path = join(temporaryFolder(), 'output');
  writeFileSync(path, everyByte);
  const outcome = await exec(['FILE', 'sh', '-c', `cat '${path}'; cat '${path}' >&2; exit 7`]);
  expect(outcome.code).toBe(7);
  expect(outcome.stdout.equals(everyByte)).toBe(true);
  expect(outcome.stderr.equals(everyByte)).toBe(true);
});

test('options after the file belong to the command, which needs no --', async () => {
  const file = configFile(agent);
  const [plain, dashed, own] = await Promise.all([
    spearlet('exec', file, 'printf', '%s ', '--json', '-la', '--', '--timeout', '1'),
    spearlet('exec', file, '--', 'printf', '%s ', '--json', '--', '-x'),
    spearlet('exec', '--json', file, 'echo', '--json'),
  ]);
  expect(plain).toEqual({ code: 0, stdout: '--json -la -- --timeout 1 ', stderr: '' });
  expect(dashed.stdout).toBe('--json -- -x ');
  expect(own.stdout).toContain('"output":"--json\\n"');
  expect(await spearlet('exec', file, '--')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("missing required argument 'command'"),
  });
});

test('an agent of wire v1 gets and gives text', async () => {
  const file = { config: { command: process.execPath, args: [cli, 'agent'] }, protocols: [1] };
  const [output, text, refused] = await Promise.all([
    exec(['FILE', 'sh', '-c', 'echo out; echo err >&2; exit 3'], null, file),
    exec(['FILE', 'cat'], Buffer.from('caf\u00e9'), file),
    exec(['FILE', 'cat'], Buffer.from([0xff]), file),
  ]);
  expect(output.code).toBe(3);
  expect(String(text.stdout)).toBe('caf\u00e9');
  expect(String(output.stdout)).toContain('out\n');
  expect(refused).toMatchObject({ code: 125, stdout: Buffer.from('') });
  expect(String(refused.stderr)).toMatch(/UNSUPPORTED: `input` that is not UTF-8 needs wire v2/);
});

test('the error text of an agent that is more than its exit code is printed', async () => {
  const failing = { config: { command: process.execPath, args: [agentFile('thrower.js')] } };
  const [missing, thrown] = await Promise.all([exec(['FILE', 'no-such-program']), exec(['FILE', 'x'], null, failing)]);
  expect(missing.code).toBe(127);
  expect(String(missing.stderr)).toMatch(/^spearlet: EXECUTION_FAILED: .*'no-such-program' could not be started/);
  expect(thrown.code).not.toBe(0);
});

test('a start that fails prints the end of the stderr of the agent', async () => {
  const config = { config: { command: process.execPath, args: ['-e', "console.error('no such model'); process.exit(3)"] } };
  const { code, stderr } = await exec(['FILE', 'x'], null, config);
  expect(code).toBe(125);
  expect(String(stderr)).toMatch(/^spearlet: EXITED_BEFORE_READY: .*\n {4}\| no such model\n/);
});

test('--json says VALID of a file that is, with the names, and an error with places of one that is not; nothing is started', async () => {
  const [valid, text, wrong] = await Promise.all([
    spearlet('check', '--json', configFile({ instances: [{ name: 'a', replicas: 2, config: { command: '/no/such' } }] })),
    spearlet('check', configFile({ config: { command: '/no/such/program' } })),
    spearlet('check', '--json', configFile('{\n"nmae": 1}')),
  ]);
  expect(valid).toMatchObject({ code: 0, stderr: '', stdout: '{"code":"VALID","instances":["a-1","a-2"]}\n' });
  expect(text).toMatchObject({ code: 0, stdout: expect.stringMatching(/config\.json is valid: 1 instance \(program\)\n$/) });
  expect(wrong.code).toBe(2);
  const { code, issues } = JSON.parse(wrong.stderr) as { code: string; issues: object[] };
  expect(code).toBe('INVALID_CONFIG');
  expect(issues).toContainEqual({ path: 'nmae', value: 1, message: 'unknown key', didYouMean: 'name', line: 2, column: 1 });
});

test('the docs show the command line that there is', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/command-line.md'), 'utf8');
  for (const command of ['run', 'exec', 'check']) {
    const { stdout } = await spearlet(command, '--help');
    for (const [, option] of stdout.matchAll(/^ +(--[a-z-]+)/gm)) expect(page).toContain(option);
  }
});

// Signals that end the command line at any moment: it stops its programs in order and exits with the right code.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { atEnd } from '../census/census.ts';
import { agent, begin, configFile, lives, pidsIn, program, temporaryFolder } from './command.ts';
import { cli, openSpearlet, until } from './world.ts';

const ending = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const;
const rare = ['SIGABRT', 'SIGALRM', 'SIGIO', 'SIGPWR', 'SIGSTKFLT', 'SIGUSR2', 'SIGVTALRM', 'SIGXCPU'] as const;
/** util-linux's script(1) makes terminals. */
const hasScript = spawnSync('script', ['--version']).status === 0;

describe('a signal that ends', () => {
  test.each(ending)('%s ends `run` in order, and a second one ends it at once', async signal => {
    const run = begin(['run', '--json', '--grace', '600', configFile(program('stubborn.js', 'connects'))]);
    await run.written('stdout', '"state":"ready"');
    run.child.kill(signal);
    await run.written('stdout', '"state":"stopping"');
    run.child.kill(signal);
    expect(await run.ended).toBe(0);
    expect(run.text.stdout).toContain('"signal":"SIGKILL"');
    expect(pidsIn(run.text.stdout).filter(lives)).toEqual([]);
  });

  test('`run --grace` holds for a program with a `grace` of its own', async () => {
    const run = begin(['run', '--json', '--grace', '0.1', configFile({ ...program('stubborn.js', 'connects'), grace: 600 })]);
    await run.written('stdout', '"state":"ready"');
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(0);
    expect(run.text.stdout).toContain('"signal":"SIGKILL"');
  });

  test('`run` handles every other signal that would end it', async () => {
    const run = begin(['run', '--json', configFile(program('hollow.js'))]);
    await run.written('stdout', '"state":"listening"');
    const caught = BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(readFileSync(`/proc/${run.child.pid}/status`, 'utf8'))![1]}`);
    expect(rare.filter(signal => ((caught >> BigInt(constants.signals[signal] - 1)) & 1n) === 0n)).toEqual([]);
    run.child.kill('SIGPWR');
    expect(await run.ended).toBe(0);
  });

  test.each(ending)('%s cancels the execution of `exec`, which exits with 130 and leaves nothing', async signal => {
    const exec = begin(['exec', configFile(agent), '--', 'sh', '-c', 'echo $$; exec sleep 1000']);
    await exec.written('stdout', '\n');
    exec.child.kill(signal);
    expect(await exec.ended).toBe(130);
    expect(lives(Number(exec.text.stdout))).toBe(false);
  });

  test('a closed terminal ends `run` in order: it sends SIGHUP and no longer reads stdout and stderr', async () => {
    const run = begin(['run', configFile(program('stubborn.js', 'connects')), '--grace', '0.1']);
    await run.written('stderr', 'agent connected');
    const [pid] = pidsIn(run.text.stderr) as [number];
    expect(lives(pid)).toBe(true);
    run.child.stdout!.destroy();
    run.child.stderr!.destroy();
    run.child.kill('SIGHUP');
    expect(await run.ended).toBe(0);
    expect(lives(pid)).toBe(false);
  });

  /** `run` on a terminal of its own, which `script` keeps; its exit code is in the file. */
  async function onTerminal(config: unknown) {
    const exitFile = join(temporaryFolder(), 'code');
    const command = `'${process.execPath}' '${cli}' run --grace 0.1 '${configFile(config)}'`;
    // Like an interactive shell, it forwards SIGHUP and waits for the end of `run`.
    const line = `trap 'kill -HUP $pid' HUP; ${command} & pid=$!
      wait $pid; code=$?; while kill -0 $pid 2>/dev/null; do wait $pid; code=$?; done; echo $code >'${exitFile}'`;
    const script = spawn('script', ['-qfec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    atEnd(() => void script.kill('SIGKILL'));
    script.stdin.on('error', () => {});
    let text = '';
    script.stdout.on('data', chunk => {
      text += chunk;
    });
    await until(() => text.includes('ready'));
    const code = async (): Promise<string> => {
      await until(() => existsSync(exitFile) && readFileSync(exitFile, 'utf8') !== '');
      return readFileSync(exitFile, 'utf8').trim();
    };
    const processes = readFileSync(`/proc/${script.pid}/task/${script.pid}/children`, 'utf8').trim().split(' ');
    return { script, code, shell: Number(processes[0]) };
  }

  test.skipIf(!hasScript)('a closed window ends `run` in order, with the exit code of `run`', async () => {
    const { script, code } = await onTerminal(program('stubborn.js', 'connects'));
    script.kill('SIGKILL');
    expect(await code()).toBe('0');
  });

  test.skipIf(!hasScript)('a stopped terminal (Ctrl-S) stops neither the instances nor the handling of signals', async () => {
    // With the default intensity `run` would end by itself, before a slow test has looked at it.
    const restarts = { restart: 'permanent', intensity: 1_000 };
    const { script, code, shell } = await onTerminal({ instances: [{ ...program('brief.js'), ...restarts }] });
    script.stdin.write('\x13');
    const run = Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').trim().split(' ')[0]);
    const children = () => readFileSync(`/proc/${run}/task/${run}/children`, 'utf8').trim();
    const first = children();
    await until(() => children() !== first && children() !== '');
    process.kill(run, 'SIGTERM');
    expect(await code()).toMatch(/^[01]$/);
  });

  test('createSpearlet handles no signals: they belong to the embedder', () => {
    const before = process.eventNames();
    openSpearlet();
    openSpearlet({ logger: undefined });
    expect(process.eventNames()).toEqual(before);
  });
});

describe('the exit code of `run` that is interrupted', () => {
  test('is 0 while a program waits for its restart', async () => {
    const run = begin(['run', '--json', configFile({ instances: [{ ...program('fleeting.js', 'crash'), restart: 'permanent' }] })]);
    await run.written('stdout', '"state":"backoff"');
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(0);
  });

  test('is 0 during the starts', async () => {
    const run = begin(['run', '--json', configFile({ instances: [{ ...program('hollow.js'), replicas: 6 }] })]);
    await run.written('stdout', '"state":"listening"');
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(0);
    expect(run.text.stderr).toBe('');
  });

  test('is 0 while a session is lost', async () => {
    const run = begin(['run', '--json', configFile(program('fleeting.js', 'leave'))]);
    await run.written('stdout', '"state":"reconnecting"');
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(0);
  });

  test('is 0 if a program crashes while it is stopped', async () => {
    const run = begin(['run', '--json', configFile(program('sore-loser.js'))]);
    await run.written('stdout', '"state":"ready"');
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(0);
  });

  test('stays 1 if an instance was given up before', async () => {
    const run = begin(['run', '--json', configFile({ instances: [program('fleeting.js', 'crash'), agent] })]);
    await run.written('stdout', /"state":"stopped"/);
    await run.written('stdout', /("state":"ready".*\n[\s\S]*){2}/);
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(1);
  });

  test('stays 3 if an instance could not start before, and its error is printed at once', async () => {
    const missing = { runtime_type: 'process', config: { command: '/no/such/program' } };
    const run = begin(['run', configFile({ instances: [program('hollow.js'), missing] })], ['ignore', 'ignore', 'pipe']);
    await run.written('stderr', 'SPAWN_FAILED');
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(3);
  });
});

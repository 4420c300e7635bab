// The command agent: a cancelled execution ends with all its processes, and output that is not UTF-8 is no error.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../src/index.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import { atEnd } from '../census/census.ts';
import { cli, commandAgent, failureOf, openSpearlet, seen, until } from './world.ts';

const lives = (pid: number): boolean => processTable.entry(pid)?.living ?? false;
const sh = (script: string) => ({ command: 'sh', args: ['-c', script] });

interface RunOptions {
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  readonly background?: 'end' | 'keep';
}

/** Runs a script that prints `[pid]` for each of its processes, and waits for `count` of them. */
async function runTree(instance: Instance, script: string, count: number, { background, ...options }: RunOptions = {}) {
  const execution = instance.execute({ ...sh(script), background }, options);
  let text = '';
  execution.result.catch(() => {});
  await seen(execution.updates$, ({ output }) => {
    text += output ?? '';
    return (text.match(/\[\d+\]/g)?.length ?? 0) >= count;
  });
  return { execution, pids: text.match(/\d+(?=\])/g)!.map(Number) };
}

const leaf = 'echo "[$$]"; exec sleep 1000';
const deaf = `trap "" TERM HUP INT; ${leaf}`;
/**
 * Processes that ignore SIGTERM: a grandchild in the group, one in its own session, a daemon by double fork, and one without an
 * environment.
 */
const stubbornTree = [
  `sh -c '${deaf}' &`,
  `setsid sh -c '${deaf}' &`,
  `(setsid sh -c '${deaf}' &) &`,
  `env -i "PATH=$PATH" setsid sh -c '${deaf}' &`,
].join('\n');

describe('an execution that is cancelled or timed out', () => {
  test.each(['cancelled', 'timed out'])(
    '%s: none of its processes lives on, although they ignore SIGTERM, and the agent goes on',
    async how => {
      const spearlet = openSpearlet();
      const instance = await spearlet.start(commandAgent);
      const { execution, pids } = await runTree(
        instance,
        `${stubbornTree}\necho "[$$]"; wait`,
        5,
        how === 'cancelled' ? {} : { timeout: 2_000 },
      );
      expect(pids.filter(lives)).toEqual(pids);
      if (how === 'cancelled') execution.cancel();
      expect(await failureOf(execution.result)).toMatchObject({ code: how === 'cancelled' ? 'CANCELLED' : 'EXECUTION_TIMEOUT' });
      await until(() => !pids.some(lives));
      expect((await instance.execute(sh('echo on'), { collect: true }).result).output).toBe('on\n');
      expect(spearlet.events.filter(({ type }) => type === 'instance.unresponsive')).toEqual([]);
    },
  );

  test('does not end the processes of other executions, nor those that a completed one keeps', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(commandAgent);
    const other = await runTree(instance, `setsid sh -c '${leaf}' & echo "[$$]"; wait`, 2);
    const left = await runTree(instance, `setsid sh -c '${leaf}' >/dev/null 2>&1 & echo "[$!]"`, 1, { background: 'keep' });
    await left.execution.result;
    const { execution, pids } = await runTree(instance, `${stubbornTree}\nwait`, 4);
    execution.cancel();
    await until(() => !pids.some(lives));
    expect([...other.pids, ...left.pids].filter(lives)).toEqual([...other.pids, ...left.pids]);
  });

  test('can clean up at SIGTERM', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(commandAgent);
    const folder = mkdtempSync(join(tmpdir(), 'spearlet-cancelled-'));
    atEnd(() => rmSync(folder, { recursive: true }));
    const { execution, pids } = await runTree(instance, `trap 'echo > ${folder}/cleaned; exit' TERM; sleep 1000 & echo "[$$]"; wait`, 1);
    execution.cancel();
    await until(() => !pids.some(lives));
    expect(readdirSync(folder)).toEqual(['cleaned']);
  });
});

describe('a program in its own group', () => {
  test('cannot signal the agent by signalling its own group', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(commandAgent);
    expect(await failureOf(instance.execute(sh('kill -KILL 0')).result)).toMatchObject({ exitCode: 137 });
    expect((await instance.execute(sh('echo on'), { collect: true }).result).output).toBe('on\n');
  });

  test.each(['SIGKILL', 'SIGSEGV', 'SIGTERM'] as const)('ends with an agent that %s ends', async name => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start(commandAgent);
    const { pids } = await runTree(instance, `sh -c '${deaf}' &\n setsid sh -c '${deaf}' & echo "[$$]"; wait`, 3);
    process.kill(instance.pid!, name);
    await instance.exited;
    await until(() => !pids.some(lives));
  });

  test.each(['SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    'ends with an agent that was started by hand and gets %s from its terminal',
    async name => {
      const spearlet = openSpearlet();
      const expected = spearlet.expect({ artifactId: 'by-hand' });
      const agent = spawn(process.execPath, [cli, 'agent'], {
        env: { ...process.env, ...expected.environment },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      atEnd(() => void agent.kill('SIGKILL'));
      const gone = once(agent, 'exit');
      const instance = await expected.ready;
      const { pids } = await runTree(instance, `sh -c '${deaf}' & echo "[$$]"; wait`, 2);
      agent.kill(name);
      await gone;
      await until(() => !pids.some(lives));
    },
  );
});

test('the exit code for a real-time signal is 128 plus its number', async () => {
  const spearlet = openSpearlet();
  const instance = await spearlet.start(commandAgent);
  expect(await failureOf(instance.execute(sh('kill -40 $$')).result)).toMatchObject({
    exitCode: 168,
    message: expect.stringContaining('SIGRTMIN+6'),
  });
});

describe('output that is not UTF-8, on wire v1', () => {
  test('is replaced by U+FFFD and counted on stderr of the agent; the program goes on and completes', async () => {
    const spearlet = openSpearlet({ protocols: [1] });
    const said = async (instance: Instance): Promise<string> => {
      let stderr = '';
      await seen(instance.output$, ({ text }) => {
        stderr += text;
        return stderr.includes('\n');
      });
      return stderr;
    };
    const instance = await spearlet.start(commandAgent);
    const script = `printf 'a\\377b\\n'; printf '\\303\\050\\303' >&2; echo worked on`;
    const { output, exitCode } = await instance.execute({ ...sh(script), taskId: 'odd' }, { collect: true }).result;
    expect(exitCode).toBe(0);
    expect(output).toContain('a\ufffdb\n');
    expect(output).toContain('worked on\n');
    const message = '3 byte sequences of its output were not UTF-8 and are shown as U+FFFD';
    expect(await said(instance)).toBe(`spearlet agent: task "odd": ${message}\n`);
    const asJson = await spearlet.start({ ...commandAgent, args: [...commandAgent.args, '--json'] });
    await asJson.execute({ ...sh(script), taskId: 'odd' }).result;
    expect(JSON.parse(await said(asJson))).toEqual({ code: 'OUTPUT_REPLACED', message, taskId: 'odd' });
  });

  test('is mentioned in the error of a program that fails', async () => {
    const spearlet = openSpearlet({ protocols: [1] });
    const instance = await spearlet.start(commandAgent);
    const { error } = await instance.execute(sh(`printf '\\377'; exit 3`), { reject: false }).result;
    expect(error).toBe('exit code 3; 1 byte sequence of its output was not UTF-8 and is shown as U+FFFD');
  });
});

describe('on wire v2', () => {
  test('output arrives as it is, byte for byte, and each piece names its channel', async () => {
    const instance = await openSpearlet().start(commandAgent);
    const script = `printf 'a\\377b'; printf '\\303\\050' >&2`;
    const execution = instance.execute(sh(script), { encoding: 'buffer', collect: true });
    const bytes = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    for await (const { channel, output } of execution) if (channel !== undefined) bytes[channel].push(output!);
    expect(Buffer.concat(bytes.stdout)).toEqual(Buffer.from([0x61, 0xff, 0x62]));
    expect(Buffer.concat(bytes.stderr)).toEqual(Buffer.from([0xc3, 0x28]));
    expect(await execution.result).toMatchObject({ output: Buffer.concat(bytes.stdout), stderr: Buffer.concat(bytes.stderr) });
  });

  test('a code point that is cut between two outputs is whole in a text, and other bytes are U+FFFD', async () => {
    const instance = await openSpearlet().start(commandAgent);
    const script = `printf '\\342\\202'; sleep 0.1; printf '\\254x\\377'`;
    expect((await instance.execute(sh(script), { collect: true }).result).output).toBe('\u20acx\ufffd');
  });

  test('`input` is the standard input of the program; a program that does not read it is no error', async () => {
    const instance = await openSpearlet().start(commandAgent);
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, n) => n % 256));
    const { output } = await instance.execute({ command: 'cat', input }, { encoding: 'buffer', collect: true }).result;
    expect(output?.equals(input)).toBe(true);
    expect((await instance.execute({ command: 'cat', input: 'text: \u20ac' }, { collect: true }).result).output).toBe('text: \u20ac');
    expect(await instance.execute({ command: 'true', input }).result).toMatchObject({ status: 'completed' });
  });

  test('what wire v1 cannot carry is refused before anything is sent, also where it waited for the session', async () => {
    const spearlet = openSpearlet({ protocols: [1] });
    const instance = await spearlet.start(commandAgent);
    const refused = { code: 'UNSUPPORTED', hint: expect.any(String) };
    expect(await failureOf(instance.execute({ command: 'cat', input: Buffer.from([0xff]) }).result)).toMatchObject(refused);
    expect((await instance.execute({ command: 'cat', input: 'text: \u20ac' }).result).output).toBe('text: \u20ac');
    expect(await failureOf(instance.execute({ command: 'true' }, { encoding: 'buffer' }).result)).toMatchObject(refused);
    expect((await instance.execute(sh('echo out; echo err >&2'), { collect: true }).result).output).toMatch(/out\n|err\n/);
  });
});

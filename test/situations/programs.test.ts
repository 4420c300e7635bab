// Real programs through the command agent, as one would use them in a shell.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../src/index.ts';
import { lives, temporaryFolder } from './command.ts';
import { commandAgent, openSpearlet, until } from './world.ts';

const sh = (script: string) => ({ command: 'sh', args: ['-c', script] });

function has(program: string): boolean {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`]).length > 0;
  } catch {
    return false;
  }
}

/** A program that is missing skips its test, and the title of the test says which one it needs. */
const needs = (...programs: string[]) => test.skipIf(!programs.every(has));

async function inFolder(): Promise<{ instance: Instance; folder: string }> {
  return { instance: await openSpearlet().start(commandAgent), folder: temporaryFolder() };
}

needs('git')('git: a repository, a commit and its log, in the working directory of the request', async () => {
  const { instance, folder: workingDirectory } = await inFolder();
  const env = { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
  const git = async (...args: string[]) =>
    (await instance.execute({ command: 'git', args: ['-c', 'user.name=n', '-c', 'user.email=e@x', ...args], env, workingDirectory }).result)
      .output;
  await git('init', '--quiet');
  writeFileSync(join(workingDirectory, 'caf\u00e9'), 'x');
  await git('add', '.');
  await git('commit', '--quiet', '-m', 'the first');
  expect(await git('log', '--format=%s')).toBe('the first\n');
  expect(await git('-c', 'core.quotePath=false', 'ls-files')).toBe('caf\u00e9\n');
});

needs('tar', 'gzip')('tar and gzip: an archive in a file, and the same archive as bytes over the wire', async () => {
  const { instance, folder } = await inFolder();
  mkdirSync(join(folder, 'data'));
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * n) % 251));
  writeFileSync(join(folder, 'data', 'bytes'), bytes);
  await instance.execute({ ...sh('tar c data | gzip > data.tgz'), workingDirectory: folder }).result;
  const { output } = await instance.execute(
    { ...sh('tar xzO data/bytes'), input: { file: join(folder, 'data.tgz') } },
    { encoding: 'buffer', collect: true },
  ).result;
  expect(output?.equals(bytes)).toBe(true);
});

needs('sqlite3')('sqlite3: statements from stdin, and an error with its exit code', async () => {
  const { instance } = await inFolder();
  const input = 'create table t(a); insert into t values (1), (41); select sum(a) from t;';
  expect((await instance.execute({ command: 'sqlite3', args: [':memory:'], input }).result).output).toBe('42\n');
  const bad = { command: 'sqlite3', args: ['-bail', ':memory:', 'select * from nothing'] };
  expect(await instance.execute(bad, { reject: false }).result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('nothing') });
});

needs('cc')('cc: a program that is compiled and then executed, and the diagnostics of one that cannot be', async () => {
  const { instance, folder: workingDirectory } = await inFolder();
  const cc = { command: 'cc', args: ['-x', 'c', '-o', 'answer', '-'], workingDirectory };
  await instance.execute({ ...cc, input: '#include <stdio.h>\nint main(void) { puts("42"); return 3; }\n' }).result;
  const answer = { command: join(workingDirectory, 'answer') };
  expect(await instance.execute(answer, { reject: false }).result).toMatchObject({ output: '42\n', exitCode: 3 });
  const { exitCode, stderr } = await instance.execute({ ...cc, input: 'int main(void) { return' }, { reject: false }).result;
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('error')]);
});

needs('yes', 'head')('yes | head: the endless program ends with the pipe, and the execution with the last program', async () => {
  const { instance } = await inFolder();
  expect((await instance.execute(sh('yes | head -n 3')).result).output).toBe('y\ny\ny\n');
});

needs('openssl', 'tee')('openssl rand: random bytes arrive as they are', async () => {
  const { instance, folder } = await inFolder();
  const request = { ...sh('openssl rand 100000 | tee bytes'), workingDirectory: folder };
  const { output } = await instance.execute(request, { encoding: 'buffer', collect: true }).result;
  const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  expect(output).toHaveLength(100_000);
  expect(digest(output!)).toBe(digest(readFileSync(join(folder, 'bytes'))));
});

test('a Latin-1 file name: its bytes as they are, U+FFFD in a text', async () => {
  const { instance, folder: workingDirectory } = await inFolder();
  const name = Buffer.from('caf\xe9', 'latin1');
  writeFileSync(Buffer.concat([Buffer.from(`${workingDirectory}/`), name]), '');
  const ls = { command: 'ls', workingDirectory };
  expect((await instance.execute(ls, { encoding: 'buffer' }).result).output).toEqual(Buffer.concat([name, Buffer.from('\n')]));
  expect((await instance.execute(ls).result).output).toBe('caf\ufffd\n');
});

/** The text that a server of this machine answers with. */
async function get(port: number, path: string): Promise<string> {
  const request = http.get({ host: '127.0.0.1', port, path, agent: false });
  const [response] = await once(request, 'response');
  return text(response);
}

describe('a dev server in the background', () => {
  const script = `python3 -u -m http.server 0 --bind 127.0.0.1 >log 2>&1 & while ! grep -q port log; do sleep 0.02; done; cat log; echo "[$!]"`;

  async function startServer(background: 'end' | 'keep') {
    const { instance, folder: workingDirectory } = await inFolder();
    writeFileSync(join(workingDirectory, 'page.html'), 'hello');
    const { output } = await instance.execute({ ...sh(script), workingDirectory, background }).result;
    const [port, pid] = /port (\d+).*\[(\d+)\]/s.exec(output!)!.slice(1).map(Number) as [number, number];
    return { instance, port, pid };
  }

  needs('python3')('python3 -m http.server, kept: it serves until the instance ends', async () => {
    const { instance, port, pid } = await startServer('keep');
    expect(await get(port, '/page.html')).toBe('hello');
    await instance.stop();
    await until(() => !lives(pid));
  });

  needs('python3')('python3 -m http.server, not kept: it ends after the shell that has started it, and the instance goes on', async () => {
    const { instance, port, pid } = await startServer('end');
    await until(() => !lives(pid));
    await expect(get(port, '/page.html')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect((await instance.execute({ command: 'echo', args: ['on'] }).result).output).toBe('on\n');
  });
});

// The command line as a process: how it behaves when its reader has left, and its exit codes.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { atEnd } from '../census/census.ts';
import { cli, commandAgent, openSpearlet, until } from '../situations/world.ts';

function configFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  atEnd(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify({ runtime_type: 'process', config: { command: commandAgent.command, args: commandAgent.args } }));
  return file;
}

test('`spearlet run` goes on when its reader has left, and ends in order on Ctrl-C', async () => {
  const child = spawn(process.execPath, [cli, 'run', '--json', configFile()], { stdio: ['ignore', 'pipe', 'inherit'] });
  atEnd(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', chunk => {
    text += chunk;
  });
  await until(() => text.includes('"state":"ready"'));
  child.stdout.destroy();
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('`spearlet agent` ends with 2 where no host has started it, and with 1 where the host refuses it', async () => {
  const agent = (environment: Record<string, string>, ...args: string[]) =>
    new Promise<{ code: unknown; stderr: string }>(resolve => {
      execFile(process.execPath, [cli, 'agent', ...args], { env: environment }, (error, _, stderr) =>
        resolve({ code: error?.code ?? 0, stderr }),
      );
    });
  expect(await agent({})).toEqual({ code: 2, stderr: expect.stringMatching(/^spearlet agent: INVALID_OPTIONS: .*\n {2}\S/) });

  const unknown = await agent({}, '--no-such-option');
  expect(unknown).toEqual({ code: 2, stderr: expect.stringContaining("unknown option '--no-such-option'") });
  expect(await agent({}, 'more')).toEqual({ code: 2, stderr: expect.stringContaining('too many arguments') });
  const asJson = await agent({}, '--json');
  expect([asJson.code, JSON.parse(asJson.stderr)]).toEqual([
    2,
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.any(String), hint: expect.any(String) }),
  ]);

  const spearlet = openSpearlet();
  const { environment } = spearlet.expect({ artifactId: 'expected' });
  const refused = await agent({ ...environment, SPEARLET_TOKEN: 'wrong' });
  expect(refused).toEqual({ code: 1, stderr: expect.stringMatching(/^spearlet agent: AUTH_REFUSED: /) });
});

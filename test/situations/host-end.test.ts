// A host that ends by itself, with programs that would not: they end with it, and the host ends as it would have without spearlet.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { atEnd } from '../census/census.ts';
import { lives } from './command.ts';
import { agentFile, everyday, openSpearlet, until } from './world.ts';

async function beginHost(how: string, endWithHost = true) {
  const host = spawn(process.execPath, [agentFile('ending-host.js'), how, String(endWithHost)], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  host.stdout.on('data', chunk => {
    text += chunk;
  });
  const closed = once(host, 'exit') as Promise<[number | null, string | null]>;
  await until(() => text.includes('\n'));
  const pid = Number.parseInt(text, 10);
  atEnd(() => {
    host.kill('SIGKILL');
    if (lives(pid)) process.kill(pid, 'SIGKILL');
  });
  return { host, pid, closed, written: (word: string) => until(() => text.includes(word)) };
}

describe('the programs of a host end', () => {
  test.each([
    ['process.exit()', 'exit', 7],
    ['an uncaught exception', 'throw', 1],
  ])('with %s, which keeps its exit code', async (_, how, code) => {
    const { pid, closed } = await beginHost(how);
    expect(await closed).toEqual([code, null]);
    await until(() => !lives(pid));
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('with %s, by which the host then ends', async signal => {
    const { host, pid, closed } = await beginHost('stay');
    host.kill(signal);
    expect(await closed).toEqual([null, signal]);
    expect(lives(pid)).toBe(false);
  });
});

test('a host with a listener of its own handles the signal itself: its programs stay', async () => {
  const { host, pid, written } = await beginHost('handles');
  host.kill('SIGTERM');
  await written('handled');
  expect(lives(pid)).toBe(true);
});

test('with `endWithHost: false` the host leaves its programs alone', async () => {
  const { host, pid, closed } = await beginHost('stay', false);
  host.kill('SIGTERM');
  expect(await closed).toEqual([null, 'SIGTERM']);
  expect(lives(pid)).toBe(true);
});

test('several spearlets share one listener, which the last stop removes', async () => {
  const events = ['exit', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  const listeners = () => events.map(event => process.listenerCount(event));
  const before = listeners();
  const [one, two] = [openSpearlet(), openSpearlet()];
  await Promise.all([one.start(everyday), two.start(everyday)]);
  expect(listeners()).toEqual(before.map(count => count + 1));
  await one.stop();
  expect(listeners()).toEqual(before.map(count => count + 1));
  await two.stop();
  expect(listeners()).toEqual(before);
});

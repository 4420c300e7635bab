// The default logger on streams that nobody reads, that cannot be written to, and at the end of the process.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { bounds } from '../../src/limits.ts';
import { atEnd } from '../census/census.ts';
import { temporaryFolder } from './command.ts';
import { agentFile, until } from './world.ts';

type Line = Record<string, unknown>;

/** A host whose stderr is a pipe, or a socket as Node's own pipes and the journal are. It is not read before `read()`. */
function host(kind: 'pipe' | 'socket', count: number, length: number, ending = 'end') {
  let write: number | 'pipe' = 'pipe';
  let end: Readable | null = null;
  if (kind === 'pipe') {
    const path = join(temporaryFolder(), 'pipe');
    execFileSync('mkfifo', [path]);
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    end = new Socket({ fd, readable: true, writable: false });
    write = openSync(path, 'w');
  }
  const child = spawn(process.execPath, [agentFile('logging-host.js'), String(count), String(length), ending], {
    stdio: ['pipe', 'pipe', write],
  });
  if (typeof write === 'number') closeSync(write);
  const stderr = end ?? child.stderr!;
  atEnd(() => {
    child.kill('SIGKILL');
    stderr.destroy();
  });
  child.stdin!.on('error', () => {});
  const text = { stdout: '', stderr: '' };
  child.stdout!.setEncoding('utf8').on('data', chunk => {
    text.stdout += chunk;
  });
  const closed = new Promise<void>(resolve => stderr.once('close', () => resolve()));
  return {
    child,
    text,
    stderr,
    read: () =>
      void stderr.setEncoding('utf8').on('data', chunk => {
        text.stderr += chunk;
      }),
    lines: (): Line[] =>
      text.stderr
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line) as Line),
    ended: once(child, 'exit').then(([code]) => code as number),
    closed,
  };
}

describe.each(['pipe', 'socket'] as const)('the default logger on a %s', kind => {
  test('that nobody reads keeps its first lines, drops and counts the rest, and goes on when it is read', async () => {
    const count = 5_000;
    const one = host(kind, count, 1_000);
    await until(() => one.text.stdout.includes('turning'));
    one.read();
    await until(() => one.text.stderr.includes('droppedLines') && one.text.stderr.endsWith('\n'));
    const lines = one.lines();
    const kept = lines.slice(0, -1).map(({ line }) => line);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, line) => line));
    expect(kept.length * 1_000).toBeGreaterThan(bounds.unreadLines / 2);
    expect(lines.at(-1)).toMatchObject({ level: 40, name: 'spearlet', droppedLines: count - kept.length });
    expect(lines.at(-1)!.droppedBytes).toBeGreaterThan((count - kept.length) * 1_000);
    one.child.stdin!.write('now\n');
    await until(() => one.text.stdout.includes('listens'));
    await until(() => one.text.stderr.includes('later'));
    expect(JSON.parse(one.text.stdout.split('\n')[1]!).listens).not.toContain('exit');
    one.child.stdin!.end();
    expect(await one.ended).toBe(0);
  });

  test.each(['end', 'exit', 'throw'])('loses no line at the end of the process (%s) where it is read', async ending => {
    const one = host(kind, 100, 1_000, ending);
    one.child.stdin!.end();
    // Whoever reads begins late: what does not fit waits for him.
    await once(
      one.stderr.once('readable', () => {}),
      'readable',
    );
    one.read();
    expect(await one.ended).toBe(ending === 'throw' ? 1 : 0);
    await one.closed;
    const own = one.text.stderr.split('\n').filter(line => line.startsWith('{'));
    const lines = own.map(line => JSON.parse(line) as Line);
    expect(lines.flatMap(({ last }) => (last === undefined ? [] : [last]))).toEqual(Array.from({ length: 100 }, (_, line) => line));
    expect(lines.length).toBe(200);
  });

  test.each(['end', 'exit', 'throw'])('does not keep the process (%s) for a reader that never reads', async ending => {
    const one = host(kind, 1_000, 1_000, ending);
    one.child.stdin!.end();
    expect(await one.ended).toBe(ending === 'throw' ? 1 : 0);
  });

  test('does not end the process when its reader leaves', async () => {
    const one = host(kind, 1_000, 1_000);
    await until(() => one.text.stdout.includes('turning'));
    one.stderr.destroy();
    one.child.stdin!.write('now\n');
    await until(() => one.text.stdout.includes('listens'));
    one.child.stdin!.end();
    expect(await one.ended).toBe(0);
  });
});

test('the default logger on a full disk loses lines and nothing else', async () => {
  const full = openSync('/dev/full', 'w');
  atEnd(() => closeSync(full));
  const child = spawn(process.execPath, [agentFile('logging-host.js'), '10', '10'], { stdio: ['ignore', 'ignore', full] });
  expect((await once(child, 'exit'))[0]).toBe(0);
});

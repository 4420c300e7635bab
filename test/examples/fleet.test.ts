// The example fleet on a real terminal: the text and the colours that people see.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { atEnd } from '../census/census.ts';
import { temporaryFolder } from '../situations/command.ts';
import { cli, until } from '../situations/world.ts';

const root = join(import.meta.dirname, '../..');
/** util-linux's script(1) makes terminals. */
const hasScript = spawnSync('script', ['--version']).status === 0;

/**
 * The lines of each instance in order, its events before its output: the order between them is not fixed. Whether the end of a crash's
 * connection is seen before that of its process is not either, so the state between them is left out.
 */
function ordered(text: string): string {
  const lines = text
    .replaceAll('\r', '')
    .replaceAll('^C', '')
    .split('\n')
    .filter(line => line !== '' && !line.includes('reconnecting'));
  const keyOf = (line: string): string => /(greeter|crasher|shell) *(\|)?/.exec(line)?.slice(1).join('') ?? '';
  const keys = [...new Set(lines.map(keyOf))].sort();
  return `${keys.flatMap(key => lines.filter(line => keyOf(line) === key)).join('\n')}\n`;
}

async function onTerminal(environment: Record<string, string>): Promise<{ text: string; code: number }> {
  // Of a shell that stays in between, Ctrl-C would end the shell, and its exit code would hide that of the command line.
  const line = `exec '${process.execPath}' '${cli}' run examples/fleet/agents.json`;
  const { NO_COLOR: _, ...host } = process.env;
  const state = temporaryFolder();
  const script = spawn('script', ['-qfec', line, '/dev/null'], {
    cwd: root,
    env: { ...host, SHELL: '/bin/sh', FLEET_STATE: state, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  atEnd(() => void script.kill('SIGKILL'));
  let text = '';
  script.stdout.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  const plain = (): string => text.replaceAll(/\x1b\[\d+m/g, '');
  await until(
    () =>
      /greeter +ready/.test(plain()) && /shell +ready/.test(plain()) && /crasher +stopped/.test(plain()) && plain().includes('says hello'),
  );
  script.stdin.write('\x03');
  const [code] = (await once(script, 'exit')) as [number];
  return { text: ordered(text), code };
}

test.skipIf(!hasScript)('a terminal shows output by name, the crash with its last words and a hint, in colours', async () => {
  const { text, code } = await onTerminal({});
  await expect(text).toMatchFileSnapshot('fleet.golden.txt');
  expect(code).toBe(1);
});

test.skipIf(!hasScript)('with NO_COLOR the text is the same without colours', async () => {
  const { text } = await onTerminal({ NO_COLOR: '1' });
  const golden = readFileSync(join(import.meta.dirname, 'fleet.golden.txt'), 'utf8');
  expect(text).toBe(golden.replaceAll(/\x1b\[\d+m/g, ''));
});

// Runs the command line as a user does: with a configuration file, and in a process with the streams that a test chooses.
import { type ChildProcess, execFile, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from '../census/census.ts';
import { agentFile, cli, until } from './world.ts';

/** The configuration of one of the agents under test. */
export const program = (name: string, ...args: string[]) => ({
  runtime_type: 'process',
  config: { command: process.execPath, args: [agentFile(name), ...args] },
});
export const agent = { runtime_type: 'process', config: { command: process.execPath, args: [cli, 'agent'] } };

/** An empty folder. It is removed at the end of the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spearlet-test-'));
  atEnd(() => rmSync(folder, { recursive: true }));
  return folder;
}

export function configFile(config: unknown): string {
  const file = join(temporaryFolder(), 'config.json');
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  return file;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export const spearlet = (...args: string[]): Promise<Outcome> =>
  new Promise(resolve => {
    execFile(process.execPath, [cli, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });

export interface Command {
  readonly child: ChildProcess;
  /** The output so far. */
  readonly text: { stdout: string; stderr: string };
  /** Resolves when the output holds this text. */
  written(stream: 'stdout' | 'stderr', what: string | RegExp): Promise<void>;
  /** The exit code, or the signal that ended the command. */
  readonly ended: Promise<number | string>;
}

/** Starts a command and reads its pipes. If it still runs at the end of the test, it and its programs are killed. */
export function begin(args: readonly string[], stdio: StdioOptions = ['ignore', 'pipe', 'pipe']): Command {
  const child = spawn(process.execPath, [cli, ...args], { stdio });
  const text = { stdout: '', stderr: '' };
  atEnd(() => {
    // After a failed test the command may still run, and its programs may outlive it.
    if (!child.kill('SIGKILL')) return;
    for (const pid of pidsIn(text.stdout + text.stderr)) if (lives(pid)) process.kill(pid, 'SIGKILL');
  });
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
    });
  }
  return {
    child,
    text,
    written: (stream, what) => until(() => (typeof what === 'string' ? text[stream].includes(what) : what.test(text[stream]))),
    ended: once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string),
  };
}

/** The pids of the programs that `run` has started, in order, from its events or its log. */
export const pidsIn = (stdout: string): number[] =>
  [...stdout.matchAll(/"(?:pid|programPid)":(\d+),"incarnation"/g)].map(([, pid]) => Number(pid));

export function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

// The agent that runs programs: command, args and env of a request as a child process. So any program can be used
// without an SDK. Its children stay in its own process group: whoever ends the group ends them too.
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { reasonOf } from '../errors.ts';
import { alarm } from './clock.ts';
import { signalTree } from './descendants.ts';
import { environmentOfChild } from './environment.ts';
import type { HandlerResult } from './result.ts';
import type { Handler, HandlerContext } from './serve.ts';
import { createTextJoiner } from './text.ts';

/** How long a cancelled program has between SIGTERM and SIGKILL, in ms. */
const CANCEL_GRACE = 1_000;
/** How long what a program wrote before its end is still read where others hold its pipes open, in ms. */
const DRAIN = 250;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) if (child.pid !== undefined) signalTree(child.pid, 'SIGKILL');
});

/** Sends what a stream says as Running updates, as fast as they are welcome. Rejects for what is not text. */
async function forward(stream: Readable, write: HandlerContext['write'], busy: (by: 1 | -1) => void): Promise<void> {
  const text = createTextJoiner();
  for await (const chunk of stream) {
    busy(1);
    try {
      const whole = text.add(chunk as Buffer);
      if (whole !== '') await write(whole);
    } finally {
      busy(-1);
    }
  }
  text.end();
}

const statusOf = (code: number | null, signal: NodeJS.Signals | null): HandlerResult => {
  if (code === 0) return { exitCode: 0 };
  if (code !== null) return { exitCode: code, error: `exit code ${code}` };
  return { exitCode: 128 + (signal === null ? 0 : constants.signals[signal]), error: `ended by ${signal}` };
};

export const runCommand: Handler = ({ command, args, env }, { signal, write }) =>
  new Promise<HandlerResult>((resolve, reject) => {
    const child = spawn(command, [...args], { env: environmentOfChild(process.env, env), stdio: ['ignore', 'pipe', 'pipe'] });
    const killAlarm = alarm();
    const drainAlarm = alarm();
    let trouble: unknown = null;
    let writing = 0;
    let chunks = 0;

    const end = (): void => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const { pid } = child;
      signalTree(pid, 'SIGTERM');
      killAlarm.set(CANCEL_GRACE, () => signalTree(pid, 'SIGKILL'));
    };
    const finish = (result: () => HandlerResult): void => {
      running.delete(child);
      killAlarm.clear();
      drainAlarm.clear();
      signal.removeEventListener('abort', end);
      if (signal.aborted) reject(signal.reason);
      else if (trouble !== null) reject(trouble);
      else resolve(result());
    };

    running.add(child);
    signal.addEventListener('abort', end, { once: true });
    child.once('error', error => {
      const { code } = error as NodeJS.ErrnoException;
      const known = { ENOENT: 127, EACCES: 126 }[code ?? ''];
      finish(() => ({ exitCode: known ?? 125, error: `'${command}' could not be started: ${reasonOf(error)}` }));
    });
    // Without file descriptors left there are no streams, whatever the types say.
    const streams = [child.stdout, child.stderr].filter(stream => stream !== undefined);
    const forwarded = streams.map(stream =>
      forward(stream, write, by => {
        writing += by;
        chunks += 1;
      }).catch(error => {
        // Not text, or the host is gone: the program has nobody to talk to.
        if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') trouble ??= error;
        stream.destroy();
        end();
      }),
    );
    child.once('exit', (code, name) => {
      // Others may hold its pipes open for ever: they are let go of once nothing comes any more and all is passed on.
      const letGo = (): void => {
        const before = chunks;
        drainAlarm.set(DRAIN, () => {
          if (writing > 0 || chunks !== before) return letGo();
          for (const stream of streams) stream.destroy();
        });
      };
      letGo();
      void Promise.all(forwarded).then(() => finish(() => statusOf(code, name)));
    });
    if (signal.aborted) end();
  });

// The standard input of `spearlet exec`: read into memory, since an execution takes its input with its request.
import { fstatSync } from 'node:fs';
import { SpearletError } from '../errors.ts';
import { bounds } from '../limits.ts';

export interface Input {
  /**
   * The whole input. Undefined: there is none. Call it when the agent is ready. It waits for the end of a file or a pipe. For a socket
   * that has given nothing until then it does not wait: programs such as Node start their children with an open socket as stdin,
   * and never end it. Throws INVALID_OPTIONS for more than the bound.
   */
  taken(signal: AbortSignal): Promise<Buffer<ArrayBuffer> | undefined>;
  /** Stops reading. */
  close(): void;
}

const none: Input = { taken: async () => undefined, close() {} };

function kindOfStdin(): 'ends' | 'socket' | 'none' {
  try {
    const stat = fstatSync(0);
    // A terminal is not read, and neither is /dev/null.
    return stat.isSocket() ? 'socket' : stat.isFile() || stat.isFIFO() ? 'ends' : 'none';
  } catch {
    // Stdin is closed.
    return 'none';
  }
}

/** Begins to read stdin. `late` is called when input comes although there seemed to be none. */
export function openInput(late: () => void): Input {
  const kind = kindOfStdin();
  if (kind === 'none') return none;
  const chunks: Buffer[] = [];
  let size = 0;
  let state: 'reading' | 'ended' | 'failed' | 'ignored' = 'reading';
  let wake = (): void => {};
  const end = (next: 'ended' | 'failed'): void => {
    if (state === 'reading') state = next;
    wake();
  };
  process.stdin
    .on('data', (chunk: Buffer) => {
      if (state === 'ignored') {
        process.stdin.destroy();
        return late();
      }
      chunks.push(chunk);
      size += chunk.length;
      if (size <= bounds.execInput) return;
      end('failed');
      process.stdin.destroy();
    })
    .on('end', () => end('ended'))
    .on('error', () => end('ended'));
  return {
    async taken(signal) {
      if (state === 'reading' && kind === 'socket' && size === 0) {
        state = 'ignored';
        // A socket that nobody ends must not keep the process alive.
        process.stdin.unref();
        return undefined;
      }
      await new Promise<void>(resolve => {
        wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
        if (state !== 'reading' || signal.aborted) resolve();
      });
      if (state === 'failed')
        throw new SpearletError(
          'INVALID_OPTIONS',
          `stdin has more than ${bounds.execInput} bytes, which exec reads before the command begins`,
          {
            hint: 'Write it to a file, and give the command its name. `--no-input` does not read stdin.',
          },
        );
      return size === 0 ? undefined : Buffer.concat(chunks);
    },
    close: () => void process.stdin.destroy(),
  };
}

// How an agent learns that its host is gone, whatever became of the network between them, and how it ends then.
import { fstatSync } from 'node:fs';
import { endProcessAfter } from './clock.ts';
import { endInstance } from './descendants.ts';

/** After the host is gone an agent has so long to end by itself, in ms. */
const LAST_MOMENT = 500;

/** stdin is a pipe that only the host holds: its end means that the host is gone. A terminal or a file says nothing. */
export function watchHost(gone: () => void): () => void {
  if (!isPipe(0)) return () => {};
  const { stdin } = process;
  stdin.on('end', gone);
  stdin.on('close', gone);
  stdin.on('error', gone);
  stdin.resume();
  return () => {
    stdin.off('end', gone);
    stdin.off('close', gone);
    stdin.pause();
    (stdin as { unref?(): void }).unref?.();
  };
}

function isPipe(descriptor: number): boolean {
  try {
    const kind = fstatSync(descriptor);
    return kind.isFIFO() || kind.isSocket();
  } catch {
    // Closed: it tells nothing.
    return false;
  }
}

/** With what has come of it, since nobody else is there to end that. */
export function endWithHost(instanceId: string): void {
  endProcessAfter(LAST_MOMENT, 1);
  process.once('exit', () => endInstance(instanceId));
}

// How an agent learns that its host is gone, whatever became of the network between them, and how it ends then.
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { endProcessAfter, soon } from './clock.ts';
import { endInstance } from './descendants.ts';

/** After the host is gone an agent has so long to end by itself, in ms. */
const LAST_MOMENT = 500;

/**
 * stdin is a pipe that only the host holds: its end means that the host is gone. A terminal or a file says nothing. The
 * program may use its stdin as well: whether it pauses, reads or destroys the stream, the pipe is watched on.
 */
export function watchHost(gone: () => void): () => void {
  if (!isPipe(0)) return () => {};
  let stdin: Socket = process.stdin;
  let stop = (): void => {};

  const watch = (): void => {
    // Node stops reading a paused stdin, and would not see its end. One read for no bytes starts it again; what arrives
    // waits in the stream, as it does for any paused socket.
    const readOn = (): void => soon(() => stdin.read(0));
    const closed = (): void => {
      stop();
      // The program has destroyed the stream. The descriptor is still open: node closes none of the first three.
      if (!isPipe(0)) return;
      stdin = new Socket({ fd: 0, readable: true, writable: false });
      watch();
    };
    stdin.on('end', gone);
    stdin.on('error', gone);
    stdin.on('pause', readOn);
    stdin.on('close', closed);
    stop = () => {
      stdin.off('end', gone);
      stdin.off('error', gone);
      stdin.off('pause', readOn);
      stdin.off('close', closed);
    };
    if (stdin.readableEnded) soon(gone);
    else if (stdin.destroyed) closed();
    else stdin.resume();
  };
  watch();

  return () => {
    stop();
    stdin.pause();
    stdin.unref();
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

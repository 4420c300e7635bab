// Detects that the host is gone, even while the network connection seems to be open, and ends the agent then.
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { defer, exitProcessAfter } from './clock.ts';
import { killInstanceProcesses } from './descendants.ts';

/** How long an agent may take to end by itself when its host is gone, in ms. */
const EXIT_GRACE = 500;

/**
 * Calls `hostGone` when stdin ends: stdin is a pipe that only the host holds. A terminal or a file is not watched, because
 * its end says nothing about the host. The program may use its stdin too: the watch goes on if the program pauses, reads or
 * destroys the stream. Returns a function that ends the watch.
 */
export function watchHost(hostGone: () => void): () => void {
  if (!isPipe(0)) return () => {};
  let stdin: Socket = process.stdin;
  let stop = (): void => {};

  const watch = (): void => {
    // Node does not read a paused stdin, so it would not see the end. Reading zero bytes starts it again. What arrives waits
    // in the stream, as in any paused socket.
    const keepReading = (): void => defer(() => stdin.read(0));
    const closed = (): void => {
      stop();
      // The program has destroyed the stream. The descriptor is still open: Node never closes 0, 1 and 2.
      if (!isPipe(0)) return;
      stdin = new Socket({ fd: 0, readable: true, writable: false });
      watch();
    };
    stdin.on('end', hostGone);
    stdin.on('error', hostGone);
    stdin.on('pause', keepReading);
    stdin.on('close', closed);
    stop = () => {
      stdin.off('end', hostGone);
      stdin.off('error', hostGone);
      stdin.off('pause', keepReading);
      stdin.off('close', closed);
    };
    if (stdin.readableEnded) defer(hostGone);
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
    // The descriptor is closed.
    return false;
  }
}

/** Exits, and kills all processes of this instance, because the host can no longer do it. */
export function exitWithHost(instanceId: string): void {
  exitProcessAfter(EXIT_GRACE, 1);
  process.once('exit', () => killInstanceProcesses(instanceId));
}

// How an agent learns that its host is gone, whatever became of the network between them.
import { fstatSync } from 'node:fs';

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

// Unix domain sockets as a network. It makes and removes socket files, and does not know in which folder they are.
import { chmodSync } from 'node:fs';
import { createServer, connect as dial } from 'node:net';
import { SpearletError } from '../errors.ts';
import { requireKind } from './address.ts';
import { bindPath, closeServer } from './bind.ts';
import { accepting, socketStream } from './socket.ts';
import type { Network } from './stream.ts';

/** The longest path of a socket, in bytes. Linux has 108 with the NUL; a longer path would be cut, silently. */
const MAX_PATH = 107;
/** Only its owner may connect to a socket. */
const MODE = 0o600;

export function requireSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH) return;
  throw new SpearletError('LISTEN_FAILED', `the path '${path}' has ${bytes} bytes, and that of a Unix socket at most ${MAX_PATH}`, {
    hint: 'Set `stateDir`, or XDG_RUNTIME_DIR, to a folder with a shorter path.',
  });
}

export const unix: Network = {
  /** Throws LISTEN_FAILED for a path that is too long. */
  listen(at, accepted) {
    const { path } = requireKind(at, 'unix');
    requireSocketPath(path);
    // The other end of an accepted socket has no name.
    const server = createServer(accepting(accepted, () => `unix:${path}`));
    bindPath(server, path);
    chmodSync(path, MODE);
    // Node removes the file when it closes the server.
    return { address: { kind: 'unix', path }, close: () => closeServer(server) };
  },
  connect(at, connected) {
    const { path } = requireKind(at, 'unix');
    const socket = dial({ path });
    socket.once('connect', connected);
    return socketStream(socket, `unix:${path}`);
  },
};

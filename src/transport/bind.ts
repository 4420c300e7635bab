// Binds a server of node:net in the same turn, so that its address is owned when the call returns.
import { existsSync } from 'node:fs';
import net, { isIPv6, type Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { TcpAddress } from './address.ts';

/** Undocumented, but the only way of node:net to bind to a port in the same turn: `listen({ host })` resolves the host first. */
const { _createServerHandle: bind } = net as never as { _createServerHandle(host: string, port: number, family: 4 | 6): object | number };

const failure = (code: string, where: string): Error => Object.assign(new Error(`listen ${code}: ${where}`), { code });

/** An error while accepting, such as EMFILE, loses that socket; the listener stays. */
const survive = (server: Server): void => void server.on('error', () => {});

/** Returns the bound address: port 0 lets the system choose. Throws an error with the system's `code`. */
export function bindPort(server: Server, { host, port }: Omit<TcpAddress, 'kind'>): TcpAddress {
  const where = `${host}:${port}`;
  const handle = bind(host, port, isIPv6(host) ? 6 : 4);
  if (typeof handle === 'number') throw failure(getSystemErrorName(handle), where);
  survive(server);
  server.listen(handle);
  const bound = server.address();
  // SO_REUSEADDR lets a second socket bind to a port on which another program listens.
  if (!server.listening || bound === null || typeof bound === 'string') throw failure('EADDRINUSE', where);
  return { kind: 'tcp', host: bound.address, port: bound.port };
}

/** Makes the socket file. Throws an error with a `code`: EADDRINUSE where there is a file already. */
export function bindPath(server: Server, path: string): void {
  survive(server);
  // `exclusive`: in a worker of node:cluster the primary process would own the file.
  server.listen({ path, exclusive: true });
  // Node binds to a path in the same turn, but reports an error later.
  if (!server.listening) throw failure(existsSync(path) ? 'EADDRINUSE' : 'EACCES', path);
}

export const closeServer = (server: Server): Promise<void> => new Promise(closed => server.close(() => closed()));

// Binds a server of node:net in the same turn, so that its address is owned when the call returns. One of the files that touch the
// world.
import net, { isIPv6, type Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { TcpAddress } from './address.ts';

/**
 * Undocumented, but the only way of node:net to bind in the same turn: `listen({ host })` resolves the host first, and reports an
 * error later. A path has -1 in place of port and family.
 */
const { _createServerHandle: createHandle } = net as never as {
  _createServerHandle(hostOrPath: string, port: number, family: 4 | 6 | -1): object | number;
};

const failure = (code: string, where: string): Error => Object.assign(new Error(`listen ${code}: ${where}`), { code });

function listen(server: Server, handle: object | number, where: string): void {
  if (typeof handle === 'number') throw failure(getSystemErrorName(handle), where);
  // An error while accepting, such as EMFILE, loses that socket; the listener stays.
  server.on('error', () => {});
  server.listen(handle);
  // SO_REUSEADDR lets a second socket bind to a port on which another program listens.
  if (!server.listening) throw failure('EADDRINUSE', where);
}

/** Returns the bound address: port 0 lets the system choose. Throws an error with the system's `code`. */
export function bindPort(server: Server, { host, port }: Omit<TcpAddress, 'kind'>): TcpAddress {
  const where = `${host}:${port}`;
  listen(server, createHandle(host, port, isIPv6(host) ? 6 : 4), where);
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw failure('EADDRINUSE', where);
  return { kind: 'tcp', host: bound.address, port: bound.port };
}

/** Makes the socket file. Throws an error with the system's `code`. */
export const bindPath = (server: Server, path: string): void => listen(server, createHandle(path, -1, -1), path);

export const closeServer = (server: Server): Promise<void> => new Promise(closed => server.close(() => closed()));

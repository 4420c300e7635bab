// Chooses the port of the next listener. It opens listeners, since a port is owned only while one is bound to it, and does
// not know which instance uses them.
import { reasonOf, SpearletError } from '../errors.ts';
import type { PortRange } from '../options/spearlet.ts';
import { formatAddress, type TcpAddress } from './address.ts';
import type { ByteStream, Listener, Network } from './stream.ts';

export interface Ports {
  /**
   * Opens a listener on the least recently used free port: of TCP, or of a WebSocket to which pages of these origins may connect.
   * Throws PORTS_EXHAUSTED or LISTEN_FAILED.
   */
  listen(accepted: (stream: ByteStream) => void, webSocket?: { readonly origins: readonly string[] }): Listener;
}

const isTaken = (error: unknown): boolean => ['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');

/**
 * Choosing a port and binding it are one step, so no other program can take the port in between. Ports that were never used
 * come first, in order; then released ports, oldest first. So a released port rests until the range is used up.
 */
export function createPorts(network: Pick<Network, 'listen'>, host: string, ports: PortRange | 0): Ports {
  let unused = ports === 0 ? 0 : ports.from;
  let released: number[] = [];

  /** Null where another program holds the port. */
  const tryPort = (port: number, ...[accepted, webSocket]: Parameters<Ports['listen']>): Listener | null => {
    const at: TcpAddress = { kind: 'tcp', host, port };
    try {
      if (webSocket === undefined) return network.listen(at, accepted);
      return network.listen({ kind: 'ws', url: `ws://${formatAddress(at)}/` }, accepted, webSocket.origins);
    } catch (error) {
      if (port !== 0 && isTaken(error)) return null;
      throw new SpearletError('LISTEN_FAILED', `the listener could not be opened: ${reasonOf(error)}`, { cause: error });
    }
  };

  /** The listener, with a `close` that makes its port available again. */
  const withRelease = (listener: Listener, port: number): Listener => {
    let open = true;
    return {
      ...listener,
      close() {
        if (open) released.push(port);
        open = false;
        return listener.close();
      },
    };
  };

  return {
    listen(...listening) {
      if (ports === 0) return tryPort(0, ...listening)!;
      while (unused <= ports.to) {
        const port = unused;
        unused += 1;
        const listener = tryPort(port, ...listening);
        if (listener !== null) return withRelease(listener, port);
        // Another program holds the port now, perhaps not later: it is tried again as the last one.
        released.push(port);
      }
      for (const [tried, port] of released.entries()) {
        const listener = tryPort(port, ...listening);
        if (listener === null) continue;
        released = [...released.slice(tried + 1), ...released.slice(0, tried)];
        return withRelease(listener, port);
      }
      throw new SpearletError(
        'PORTS_EXHAUSTED',
        `no free port in ${ports.from}..${ports.to}: ${released.length} are held by other programs, the rest by instances`,
      );
    },
  };
}

// Which port comes next. It opens listeners in order to own their ports, and knows nothing of who uses them.
import { reasonOf, SpearletError } from '../errors.ts';
import type { Listening, Network, Wire } from './stream.ts';

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export interface Ports {
  /** Opens a listener on the least recently used free port. Throws PORTS_EXHAUSTED or LISTEN_FAILED. */
  listen(accepted: (wire: Wire) => void): Listening;
}

const isTaken = (error: unknown): boolean => ['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');

/**
 * A port is owned when it is bound, not before: there is no moment between choosing and binding. Ports never used come
 * first, in order; then released ones, oldest first: a released port rests until the range is used up.
 */
export function createPorts(network: Network, host: string, ports: PortRange | 0): Ports {
  let unused = ports === 0 ? 0 : ports.from;
  let released: number[] = [];

  /** Null where others hold the port. */
  const tryPort = (port: number, accepted: (wire: Wire) => void): Listening | null => {
    try {
      return network.listen({ host, port }, accepted);
    } catch (error) {
      if (port !== 0 && isTaken(error)) return null;
      throw new SpearletError('LISTEN_FAILED', `the listener could not be opened: ${reasonOf(error)}`, { cause: error });
    }
  };

  const lend = (listening: Listening): Listening => {
    let open = true;
    return {
      ...listening,
      close() {
        if (open) released.push(listening.port);
        open = false;
        return listening.close();
      },
    };
  };

  return {
    listen(accepted) {
      if (ports === 0) return tryPort(0, accepted)!;
      while (unused <= ports.to) {
        unused += 1;
        const listening = tryPort(unused - 1, accepted);
        if (listening !== null) return lend(listening);
        // Held by others now, perhaps not later: it is tried again, last.
        released.push(unused - 1);
      }
      for (const [tried, port] of released.entries()) {
        const listening = tryPort(port, accepted);
        if (listening === null) continue;
        released = [...released.slice(tried + 1), ...released.slice(0, tried)];
        return lend(listening);
      }
      throw new SpearletError(
        'PORTS_EXHAUSTED',
        `no free port in ${ports.from}..${ports.to}: ${released.length} are held by other programs, the rest by instances`,
        {
          hint: 'Widen `ports`, or use `ports: 0` and let the system choose.',
        },
      );
    },
  };
}

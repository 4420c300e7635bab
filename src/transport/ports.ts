// Which port comes next. It opens listeners in order to own their ports, and knows nothing of who uses them.
import { SpearletError } from '../errors.ts';
import type { Listening, Network, Wire } from './wire.ts';

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export interface Ports {
  /** Opens a listener on the least recently used free port. Rejects with PORTS_EXHAUSTED or LISTEN_FAILED. */
  listen(accepted: (wire: Wire) => void): Promise<Listening>;
}

const isTaken = (error: unknown): boolean => ['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');

/**
 * A port is owned when it is bound, not before: there is no moment between choosing and binding. Ports never used come
 * first, in order; then released ones, oldest first, so that a released port rests until the range is used up.
 */
export function createPorts(network: Network, host: string, ports: PortRange | 0): Ports {
  let unused = ports === 0 ? 0 : ports.from;
  const released: number[] = [];

  const candidate = (): number | undefined => {
    if (ports !== 0 && unused <= ports.to) {
      unused += 1;
      return unused - 1;
    }
    return released.shift();
  };

  return {
    async listen(accepted) {
      if (ports === 0) return network.listen({ host, port: 0 }, accepted).catch(fail);
      const held: number[] = [];
      try {
        for (let port = candidate(); port !== undefined; port = candidate()) {
          const listening = await network.listen({ host, port }, accepted).catch((error: unknown) => (isTaken(error) ? null : fail(error)));
          if (listening === null) {
            held.push(port);
            continue;
          }
          let open = true;
          return {
            ...listening,
            close() {
              if (open) released.push(listening.port);
              open = false;
              return listening.close();
            },
          };
        }
      } finally {
        // Held by others now, perhaps not later: they are tried again, last.
        released.push(...held);
      }
      throw new SpearletError(
        'PORTS_EXHAUSTED',
        `no free port in ${ports.from}..${ports.to}: ${held.length} are held by other programs, the rest by instances`,
        {
          hint: 'Widen `ports`, or use `ports: 0` and let the system choose.',
        },
      );
    },
  };
}

function fail(error: unknown): never {
  throw new SpearletError('LISTEN_FAILED', `the listener could not be opened: ${(error as Error).message}`, { cause: error });
}

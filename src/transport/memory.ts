// A network in memory, for simulations: streams whose delays, splits and back-pressure are drawn from a seed, and that break
// where a test says so. It takes the addresses of TCP, so the whole engine can run on it. No byte leaves the process.
import type { Clock } from '../world/clock.ts';
import { formatAddress, requireKind, type TcpAddress } from './address.ts';
import { type Conditions, drawDelay, Pipe } from './memory-pipe.ts';
import { MemoryStream } from './memory-stream.ts';
import type { ByteStream, Network } from './stream.ts';

export type Direction = 'toListener' | 'toDialler';

/** The faults that a test can plan for one connection. */
export interface Link {
  /** No listener answers: call it before the connection is there. */
  refuse(): void;
  /**
   * Resets the connection once `after` bytes have arrived in this direction since its beginning; 0: as soon as it is open. What is
   * under way then is lost in both directions. The two ends learn of it at different times, whether they read or not.
   */
  cut(direction: Direction, after: number): void;
  /**
   * Nothing more arrives in this direction after `after` bytes since its beginning, neither bytes nor an end nor a reset. An end
   * learns nothing of it. Infinity heals it.
   */
  silence(direction: Direction, after: number): void;
  /** Cuts the connection now. */
  reset(): void;
}

export interface MemoryOptions {
  readonly clock: Clock;
  /** Seeded where a test must be reproducible. */
  readonly random: { fraction(): number };
  /** The longest delay of a segment, in ms; 10 by default. */
  readonly maxDelay?: number;
  /** The most bytes under way in one direction; 64 KiB by default. Each direction draws its own window up to this. */
  readonly maxWindow?: number;
  /** Called with every connection when it is dialled, in order: the place to plan its faults. */
  readonly dialled?: (link: Link, at: TcpAddress) => void;
}

/** Ports that nobody has asked for: of listeners on port 0, and of diallers, which may share one. */
const EPHEMERAL = { from: 49_152, count: 16_384 };

const failure = (what: string, code: string, at: string): Error => Object.assign(new Error(`${what} ${code}: ${at}`), { code });

/** Two streams, the pipes between them, and their faults. */
class Connection implements Link {
  readonly dialler: MemoryStream;
  readonly acceptor: MemoryStream;
  readonly #conditions: Conditions;
  readonly #pipes: Readonly<Record<Direction, Pipe>>;
  #isRefused = false;
  #joined = 0;

  constructor(conditions: Conditions, listener: string, dialler: string) {
    this.#conditions = conditions;
    this.dialler = new MemoryStream(conditions.clock, listener);
    this.acceptor = new MemoryStream(conditions.clock, dialler);
    const reset = (): void => this.reset();
    const toListener = new Pipe(conditions, this.dialler, this.acceptor, reset);
    const toDialler = new Pipe(conditions, this.acceptor, this.dialler, reset);
    this.dialler.attach(toListener, toDialler);
    this.acceptor.attach(toDialler, toListener);
    this.#pipes = { toListener, toDialler };
  }

  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Bytes are carried once both ends know of the connection. */
  join(): void {
    this.#joined += 1;
    if (this.#joined < 2) return;
    this.#pipes.toListener.start();
    this.#pipes.toDialler.start();
  }

  refuse(): void {
    this.#isRefused = true;
  }

  cut(direction: Direction, after: number): void {
    this.#pipes[direction].cutAt(after);
  }

  silence(direction: Direction, after: number): void {
    this.#pipes[direction].silence(after);
  }

  reset(): void {
    this.silence('toListener', 0);
    this.silence('toDialler', 0);
    for (const end of [this.dialler, this.acceptor]) this.#conditions.clock.setTimeout(() => end.reset(), drawDelay(this.#conditions));
  }
}

export function createMemoryNetwork(options: MemoryOptions): Network {
  const { clock, random, maxDelay = 10, maxWindow = 64 * 1024, dialled } = options;
  const conditions: Conditions = { clock, random, maxDelay, maxWindow };
  const listeners = new Map<string, (stream: ByteStream) => void>();
  let chosen = 0;
  const choosePort = (): number => {
    chosen += 1;
    return EPHEMERAL.from + (chosen % EPHEMERAL.count);
  };
  const later = (run: () => void): void => void clock.setTimeout(run, drawDelay(conditions));

  return {
    listen(at, accepted) {
      const { host, port } = requireKind(at, 'tcp');
      let address: TcpAddress = { kind: 'tcp', host, port: port || choosePort() };
      for (let tries = 1; port === 0 && tries < EPHEMERAL.count && listeners.has(formatAddress(address)); tries += 1)
        address = { ...address, port: choosePort() };
      const name = formatAddress(address);
      if (listeners.has(name)) throw failure('listen', 'EADDRINUSE', name);
      // A function of its own, since a handler may listen twice.
      const listener = (stream: ByteStream): void => accepted(stream);
      listeners.set(name, listener);
      return {
        address,
        close() {
          if (listeners.get(name) === listener) listeners.delete(name);
          return Promise.resolve();
        },
      };
    },
    connect(at, connected) {
      const address = requireKind(at, 'tcp');
      const name = formatAddress(address);
      const from = formatAddress({ kind: 'tcp', host: address.host, port: choosePort() });
      const connection = new Connection(conditions, name, from);
      const { dialler, acceptor } = connection;
      dialled?.(connection, address);

      const accept = (listener: (stream: ByteStream) => void): void => {
        // The connection waited for a listener that is closed by now.
        if (listeners.get(name) !== listener) return connection.reset();
        connection.join();
        try {
          listener(acceptor);
        } catch {
          // As with TCP, an exception of the handler costs this connection only.
          acceptor.close();
        }
      };
      later(() => {
        if (dialler.isOver) return;
        const listener = listeners.get(name);
        if (listener === undefined || connection.isRefused) return later(() => dialler.conclude(false, `connect ECONNREFUSED ${name}`));
        later(() => accept(listener));
        later(() => {
          connection.join();
          if (!dialler.isOver) connected();
        });
      });
      return dialler;
    },
  };
}

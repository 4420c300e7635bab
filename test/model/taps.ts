// A world with real sockets and real programs whose every byte and exit is counted on both sides, so that a test can wait
// until all that was set in motion has come to rest. Time is the test's; agents are far ends of sockets in its hands.
import { connect, type Socket } from 'node:net';
import type { World } from '../../src/instance/world.ts';
import type { Spawn } from '../../src/process/program.ts';
import { createPrograms } from '../../src/process/programs.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import type { MessageType, SpearMessage, U64 } from '../../src/protocol/message.ts';
import { createFrameReader } from '../../src/protocol/v1/frame.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import type { ByteStream, Listener } from '../../src/transport/stream.ts';
import { tcp } from '../../src/transport/tcp.ts';
import { realClock } from '../../src/world/clock.ts';
import { remember } from '../census/census.ts';
import { type HandClock, handClock } from '../world/clock.ts';
import { idOf } from './stage.ts';

const programs = createPrograms(processTable, realClock);

/** The engine's end of a socket. */
interface Near {
  readonly port: number;
  opened: boolean;
  paused: boolean;
  /** Bytes it was handed, and bytes it has handed on. */
  written: number;
  delivered: number;
  /** Closed by the engine, and closed for good. */
  closing: boolean;
  closed: boolean;
}

/** The agent's end of a socket. It answers heartbeats unless it is frozen. */
export interface Far {
  readonly name: string;
  readonly address: string;
  readonly socket: Socket;
  readonly received: SpearMessage[];
  near: Near | null;
  closed: boolean;
  /** It has said its last word: ended, destroyed or reset by the test. */
  cut: boolean;
  frozen: boolean;
  /** It was frozen at least once: its silence may be held against it. */
  wasFrozen: boolean;
  send(type: MessageType, requestId: U64, payload: string | Uint8Array): void;
  thaw(): void;
}

export interface Run {
  readonly pid: number;
  readonly environment: Readonly<Record<string, string>>;
  up: boolean;
  /** Something was done to it that it cannot survive. */
  doomed: boolean;
  exited: boolean;
  closed: boolean;
  /** What came of it is looked for and ended. */
  swept: boolean;
  disposed: boolean;
}

export interface Taps {
  readonly world: World;
  readonly clock: HandClock;
  readonly runs: Run[];
  readonly fars: Far[];
  readonly listeners: Set<Listener>;
  /** Null where nobody listens. */
  dial(address: string): Promise<Far | null>;
  /** Waits until every byte has arrived and every end is known on both sides. */
  settle(): Promise<void>;
  /** Lets time pass, timer by timer, and everything come to rest after each. */
  pass(ms: number): Promise<void>;
  /** Ends what is left, whatever state it is in. */
  abandon(): void;
}

export interface TapEvents {
  /** The engine hands a message to a socket. */
  wrote(message: SpearMessage): void;
  /** An agent has received a message. */
  heard(far: Far, message: SpearMessage): void;
  /** Everything has come to rest. */
  rested(): void;
}

/** What does not come to rest in so many ms of real time never will. */
const NEVER = Number(process.env.NEVER ?? 10_000);
/** So many quiet turns of the event loop in a row are rest. */
const TURNS = 3;

export function createTaps(events: TapEvents): Taps {
  const clock = handClock();
  const nears = new Map<number, Near>();
  const fars: Far[] = [];
  const runs: Run[] = [];
  const listeners = new Set<Listener>();
  let happened = 0;
  let ids = 0;
  let tokens = 0;

  const tapped = (wire: ByteStream): ByteStream => {
    const port = Number(wire.peer.slice(wire.peer.lastIndexOf(':') + 1));
    const near: Near = { port, opened: false, paused: false, written: 0, delivered: 0, closing: false, closed: false };
    nears.set(port, near);
    happened += 1;
    const reader = createFrameReader(2 ** 26, body => events.wrote(v1.decodeMessage(body)));
    return {
      peer: wire.peer,
      get pending() {
        return wire.pending;
      },
      open(told) {
        near.opened = true;
        wire.open({
          data(chunk) {
            happened += 1;
            near.delivered += chunk.length;
            told.data(chunk);
          },
          drained: () => told.drained(),
          closed(end) {
            happened += 1;
            near.closed = true;
            told.closed(end);
          },
        });
      },
      write(frames) {
        happened += 1;
        for (const frame of frames) {
          near.written += frame.length;
          // Reading consumes it.
          reader.push(Buffer.from(frame));
        }
        return wire.write(frames);
      },
      pause() {
        near.paused = true;
        wire.pause();
      },
      resume() {
        near.paused = false;
        happened += 1;
        wire.resume();
      },
      end() {
        near.closing = true;
        wire.end();
      },
      close() {
        near.closing = true;
        happened += 1;
        wire.close();
      },
    };
  };

  const spawn: Spawn = (program, output, told) => {
    let run: Run | null = null;
    const { environment } = program;
    remember(environment.SPEARLET_INSTANCE_ID!);
    const counted = Object.create(output, {
      add: {
        value(channel: 'stdout', chunk: Buffer) {
          happened += 1;
          if (run !== null && chunk.includes('up')) run.up = true;
          output.add(channel, chunk);
        },
      },
    });
    const running = programs.spawn(program, counted, {
      ...told,
      spawned(pid) {
        run = { pid, environment, up: false, doomed: false, exited: false, closed: false, swept: false, disposed: false };
        runs.push(run);
        told.spawned(pid);
      },
      exited(exit) {
        happened += 1;
        run!.exited = true;
        told.exited(exit);
      },
      closed() {
        happened += 1;
        run!.closed = true;
        told.closed();
      },
      ended(ending) {
        happened += 1;
        if (run !== null) run.swept = true;
        told.ended?.(ending);
      },
    });
    return {
      ...running,
      signal(name) {
        if (run !== null && name === 'SIGKILL') run.doomed = true;
        running.signal(name);
      },
      async dispose() {
        if (run !== null) run.doomed = true;
        await running.dispose();
        happened += 1;
        if (run !== null) run.disposed = true;
      },
    };
  };
  const world: World = {
    clock,
    random: {
      fraction: () => 0.5,
      token: () => `token ${(tokens += 1)}`,
      id: () => idOf((ids += 1)),
    },
    network: {
      ...tcp,
      listen(at, accepted) {
        const listening = tcp.listen(at, wire => accepted(tapped(wire)));
        listeners.add(listening);
        return { ...listening, close: () => listening.close().then(() => void listeners.delete(listening)) };
      },
    },
    programs: { ...programs, spawn },
    environment: process.env,
    workingDirectory: process.cwd(),
  };

  /** What is not at rest; null where everything is. */
  const unrest = (): string | null => {
    for (const { pid, up, doomed, exited, closed, swept, disposed } of runs) {
      if (!doomed && !exited && !up) return `program ${pid} is not up`;
      if (doomed && !disposed && !(exited && closed && swept)) return `program ${pid} does not end`;
    }
    for (const far of fars) {
      const { near, name, socket } = far;
      if (near === null) {
        far.near = nears.get(socket.localPort!) ?? null;
        // The system may give the port to another socket later.
        nears.delete(socket.localPort!);
        if (far.near === null && !far.closed) return `${name} is not accepted`;
        continue;
      }
      const { opened, paused } = near;
      if (near.closing && !far.closed) return `${name} does not learn that it was closed`;
      if (!opened || paused || near.closing) continue;
      if (far.cut ? !near.closed : near.delivered !== socket.bytesWritten) return `what ${name} says does not arrive`;
      if (!far.cut && !far.closed && socket.bytesRead !== near.written) return `what is said to ${name} does not arrive`;
    }
    return null;
  };

  const settle = async (): Promise<void> => {
    const began = performance.now();
    for (let quiet = 0; quiet < TURNS; ) {
      const before = happened;
      await new Promise(later => setImmediate(later));
      const why = unrest();
      quiet = why === null && happened === before ? quiet + 1 : 0;
      if (why === null || performance.now() - began < 5) continue;
      if (performance.now() - began > NEVER) throw new Error(`it does not come to rest: ${why}`);
      await new Promise(later => setTimeout(later, 1));
    }
    events.rested();
  };

  return {
    world,
    clock,
    runs,
    fars,
    listeners,
    dial(address) {
      const [host, port] = address.split(':');
      return new Promise(resolve => {
        const socket = connect({ host: host!, port: Number(port) });
        const unanswered: SpearMessage[] = [];
        const far: Far = {
          name: `socket ${fars.length + 1}`,
          address,
          socket,
          received: [],
          near: null,
          closed: false,
          cut: false,
          frozen: false,
          wasFrozen: false,
          send: (type, requestId, payload) => void socket.write(v1.encodeFrame(type, requestId, { secs: 1, nanos: 0 }, payload)),
          thaw() {
            far.frozen = false;
            for (const { requestId, payload } of unanswered.splice(0)) far.send('Heartbeat', requestId, payload);
          },
        };
        const reader = createFrameReader(2 ** 26, body => {
          const message = v1.decodeMessage(body);
          const kept = { ...message, payload: Buffer.from(message.payload) };
          far.received.push(kept);
          events.heard(far, kept);
          if (message.type !== 'Heartbeat') return;
          if (far.frozen || far.cut) unanswered.push(kept);
          else far.send('Heartbeat', kept.requestId, kept.payload);
        });
        socket.on('data', chunk => {
          happened += 1;
          reader.push(chunk);
        });
        socket.on('error', () => {});
        socket.once('connect', () => {
          fars.push(far);
          resolve(far);
        });
        socket.once('close', () => {
          happened += 1;
          far.closed = true;
          resolve(null);
        });
      });
    },
    settle,
    async pass(ms) {
      let over = false;
      clock.setTimeout(() => {
        over = true;
      }, ms);
      while (!over) {
        clock.step();
        await settle();
      }
      // What is due at the same moment.
      clock.pass(0);
      await settle();
    },
    abandon() {
      for (const { socket } of fars) socket.destroy();
      for (const { pid, exited } of runs) {
        try {
          if (!exited) process.kill(-pid, 'SIGKILL');
        } catch {
          // Gone already.
        }
      }
      for (const listening of listeners) void listening.close();
    },
  };
}

// A world with real sockets and programs and a simulated clock. It counts bytes and exits on both sides, so that a test can wait
// until nothing is under way. The test plays the agents, at their ends of the sockets.
import { connect, type Socket } from 'node:net';
import type { World } from '../../src/instance/world.ts';
import type { Spawn } from '../../src/process/program.ts';
import { createPrograms } from '../../src/process/programs.ts';
import { processTable } from '../../src/process/tree/proc-table.ts';
import type { MessageType, SpearMessage, U64 } from '../../src/protocol/message.ts';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import type { ByteStream, Listener } from '../../src/transport/stream.ts';
import { tcp } from '../../src/transport/tcp.ts';
import { realClock } from '../../src/world/clock.ts';
import { remember } from '../census/census.ts';
import { type HandClock, handClock } from '../world/clock.ts';
import { idOf } from './stage.ts';

const programs = createPrograms(processTable, realClock);

/** The host's end of a connection. */
interface HostEnd {
  readonly port: number;
  opened: boolean;
  paused: boolean;
  /** Bytes that the engine has written, and bytes that were delivered to it. */
  written: number;
  delivered: number;
  /** The engine has closed it, and the stream has reported `closed`. */
  closing: boolean;
  closed: boolean;
}

/** The agent's end of a connection. It answers heartbeats unless it is frozen. */
export interface AgentEnd {
  readonly name: string;
  readonly address: string;
  readonly socket: Socket;
  readonly received: SpearMessage[];
  /** Null until it is accepted. */
  hostEnd: HostEnd | null;
  closed: boolean;
  /** The test has ended, destroyed or reset it. */
  cut: boolean;
  frozen: boolean;
  /** It was frozen at least once, so HEARTBEAT_LOST is justified. */
  wasFrozen: boolean;
  send(type: MessageType, requestId: U64, payload: string | Uint8Array): void;
  thaw(): void;
}

/** One run of a program. */
export interface Run {
  readonly pid: number;
  readonly environment: Readonly<Record<string, string>>;
  up: boolean;
  /** It was killed or asked to exit, so it has to end. */
  mustEnd: boolean;
  exited: boolean;
  closed: boolean;
  /** The rest of its process tree was ended. */
  treeEnded: boolean;
  disposed: boolean;
}

export interface Taps {
  readonly world: World;
  readonly clock: HandClock;
  readonly runs: Run[];
  readonly agentEnds: AgentEnd[];
  readonly listeners: Set<Listener>;
  /** Null where no listener is open. */
  dial(address: string): Promise<AgentEnd | null>;
  /** Waits until every byte has arrived and every end is known on both sides. Throws where that takes too long. */
  settle(): Promise<void>;
  /** Lets time pass, timer by timer, and calls settle() after each. */
  pass(ms: number): Promise<void>;
  /** Destroys all sockets, kills all programs and closes all listeners. */
  abandon(): void;
}

export interface TapEvents {
  /** The engine has written a message to a socket. */
  written(message: SpearMessage): void;
  /** An agent has received a message. */
  received(agentEnd: AgentEnd, message: SpearMessage): void;
  /** Nothing is under way. */
  settled(): void;
}

/** How long settle() waits, in ms of real time. */
const SETTLE_LIMIT = Number(process.env.SETTLE_LIMIT ?? 10_000);
/** After this many turns of the event loop without an event, nothing is under way. */
const QUIET_TURNS = 3;

export function createTaps(events: TapEvents): Taps {
  const clock = handClock();
  /** By the port of the agent's end. */
  const hostEnds = new Map<number, HostEnd>();
  const agentEnds: AgentEnd[] = [];
  const runs: Run[] = [];
  const listeners = new Set<Listener>();
  /** Counts everything that happens in the world. */
  let activity = 0;
  let ids = 0;
  let tokens = 0;

  const observed = (stream: ByteStream): ByteStream => {
    const port = Number(stream.peer.slice(stream.peer.lastIndexOf(':') + 1));
    const hostEnd: HostEnd = { port, opened: false, paused: false, written: 0, delivered: 0, closing: false, closed: false };
    hostEnds.set(port, hostEnd);
    activity += 1;
    const reader = createFrameReader(2 ** 26, body => events.written(v1.decodeMessage(body)));
    return {
      peer: stream.peer,
      get pending() {
        return stream.pending;
      },
      open(engine) {
        hostEnd.opened = true;
        stream.open({
          data(chunk) {
            activity += 1;
            hostEnd.delivered += chunk.length;
            engine.data(chunk);
          },
          drained: () => engine.drained(),
          closed(end) {
            activity += 1;
            hostEnd.closed = true;
            engine.closed(end);
          },
        });
      },
      write(frames) {
        activity += 1;
        for (const frame of frames) {
          hostEnd.written += frame.length;
          // A copy, since the frame reader consumes it.
          reader.push(Buffer.from(frame));
        }
        return stream.write(frames);
      },
      pause() {
        hostEnd.paused = true;
        stream.pause();
      },
      resume() {
        hostEnd.paused = false;
        activity += 1;
        stream.resume();
      },
      end() {
        hostEnd.closing = true;
        stream.end();
      },
      close() {
        hostEnd.closing = true;
        activity += 1;
        stream.close();
      },
    };
  };

  const spawn: Spawn = (program, output, engine) => {
    let run: Run | null = null;
    const { environment } = program;
    remember(environment.SPEARLET_INSTANCE_ID!);
    const counted = Object.create(output, {
      add: {
        value(channel: 'stdout', chunk: Buffer) {
          activity += 1;
          if (run !== null && chunk.includes('up')) run.up = true;
          output.add(channel, chunk);
        },
      },
    });
    const running = programs.spawn(program, counted, {
      ...engine,
      spawned(pid) {
        run = { pid, environment, up: false, mustEnd: false, exited: false, closed: false, treeEnded: false, disposed: false };
        runs.push(run);
        engine.spawned(pid);
      },
      exited(exit) {
        activity += 1;
        run!.exited = true;
        engine.exited(exit);
      },
      closed() {
        activity += 1;
        run!.closed = true;
        engine.closed();
      },
      ended(ending) {
        activity += 1;
        if (run !== null) run.treeEnded = true;
        engine.ended?.(ending);
      },
    });
    return {
      ...running,
      signal(name) {
        if (run !== null && name === 'SIGKILL') run.mustEnd = true;
        running.signal(name);
      },
      async dispose() {
        if (run !== null) run.mustEnd = true;
        await running.dispose();
        activity += 1;
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
        const listener = tcp.listen(at, stream => accepted(observed(stream)));
        listeners.add(listener);
        return { ...listener, close: () => listener.close().then(() => void listeners.delete(listener)) };
      },
    },
    programs: { ...programs, spawn },
    environment: process.env,
    workingDirectory: process.cwd(),
  };

  /** What is still under way, as text; null: nothing. */
  const underWay = (): string | null => {
    for (const { pid, up, mustEnd, exited, closed, treeEnded, disposed } of runs) {
      if (!mustEnd && !exited && !up) return `program ${pid} has not printed up`;
      if (mustEnd && !disposed && !(exited && closed && treeEnded)) return `program ${pid} has not ended`;
    }
    for (const agentEnd of agentEnds) {
      const { hostEnd, name, socket } = agentEnd;
      if (hostEnd === null) {
        agentEnd.hostEnd = hostEnds.get(socket.localPort!) ?? null;
        // The system may give the port to another socket later, so it is removed.
        hostEnds.delete(socket.localPort!);
        if (agentEnd.hostEnd === null && !agentEnd.closed) return `${name} is not accepted`;
        continue;
      }
      const { opened, paused } = hostEnd;
      if (hostEnd.closing && !agentEnd.closed) return `${name} has not noticed that it was closed`;
      if (!opened || paused || hostEnd.closing) continue;
      if (agentEnd.cut ? !hostEnd.closed : hostEnd.delivered !== socket.bytesWritten) return `data from ${name} has not arrived`;
      if (!agentEnd.cut && !agentEnd.closed && socket.bytesRead !== hostEnd.written) return `data to ${name} has not arrived`;
    }
    return null;
  };

  const settle = async (): Promise<void> => {
    const began = performance.now();
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      const before = activity;
      await new Promise(later => setImmediate(later));
      const why = underWay();
      quiet = why === null && activity === before ? quiet + 1 : 0;
      if (why === null || performance.now() - began < 5) continue;
      if (performance.now() - began > SETTLE_LIMIT) throw new Error(`the world does not settle: ${why}`);
      await new Promise(later => setTimeout(later, 1));
    }
    events.settled();
  };

  return {
    world,
    clock,
    runs,
    agentEnds,
    listeners,
    dial(address) {
      const [host, port] = address.split(':');
      return new Promise(resolve => {
        const socket = connect({ host: host!, port: Number(port) });
        const unanswered: SpearMessage[] = [];
        const agentEnd: AgentEnd = {
          name: `socket ${agentEnds.length + 1}`,
          address,
          socket,
          received: [],
          hostEnd: null,
          closed: false,
          cut: false,
          frozen: false,
          wasFrozen: false,
          send: (type, requestId, payload) => void socket.write(v1.encodeFrame(type, requestId, { secs: 1, nanos: 0 }, payload)),
          thaw() {
            agentEnd.frozen = false;
            for (const { requestId, payload } of unanswered.splice(0)) agentEnd.send('Heartbeat', requestId, payload);
          },
        };
        const reader = createFrameReader(2 ** 26, body => {
          const message = v1.decodeMessage(body);
          const kept = { ...message, payload: Buffer.from(message.payload) };
          agentEnd.received.push(kept);
          events.received(agentEnd, kept);
          if (message.type !== 'Heartbeat') return;
          if (agentEnd.frozen || agentEnd.cut) unanswered.push(kept);
          else agentEnd.send('Heartbeat', kept.requestId, kept.payload);
        });
        socket.on('data', chunk => {
          activity += 1;
          reader.push(chunk);
        });
        socket.on('error', () => {});
        socket.once('connect', () => {
          agentEnds.push(agentEnd);
          resolve(agentEnd);
        });
        socket.once('close', () => {
          activity += 1;
          agentEnd.closed = true;
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
      // Other timers that are due at the same time.
      clock.pass(0);
      await settle();
    },
    abandon() {
      for (const { socket } of agentEnds) socket.destroy();
      for (const { pid, exited } of runs) {
        try {
          if (!exited) process.kill(-pid, 'SIGKILL');
        } catch {
          // The program has ended already.
        }
      }
      for (const listener of listeners) void listener.close();
    },
  };
}

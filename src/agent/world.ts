// What an agent takes of the world: time, chance and network. Tests simulate it.
import { inherited } from '../transport/inherited.ts';
import { createConnecting } from '../transport/network.ts';
import type { Network } from '../transport/stream.ts';
import { tcp } from '../transport/tcp.ts';
import { unix } from '../transport/unix.ts';
import type { Clock } from '../world/clock.ts';
import { clock, defer, fraction, nonce } from './clock.ts';

export interface SessionWorld {
  readonly clock: Clock;
  readonly network: Pick<Network, 'connect'>;
  fraction(): number;
  nonce(): string;
}

export interface AgentWorld extends SessionWorld {
  /** Runs after everything that has arrived in this turn. */
  defer(run: () => void): void;
}

export const realWorld: AgentWorld = { clock, network: createConnecting({ tcp, unix, fd: inherited }), fraction, nonce, defer };

/** Only an agent that needs it loads `ws`: that takes longer than all else that an agent loads. */
export const loadWebSocketWorld = async (): Promise<AgentWorld> => ({
  ...realWorld,
  network: { connect: (await import('../transport/websocket-client.ts')).connectWebSocket },
});

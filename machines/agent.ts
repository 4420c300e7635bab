// The agent's side of a session, as a chart. It is drawn and tested; what runs in the agent process is the table in
// src/agent/table.ts, which a test proves equal on every path: an agent must start without loading xstate.
import { setup } from 'xstate';

export type AgentEvent =
  | { type: 'connected' }
  | { type: 'accepted' }
  | { type: 'refused' }
  | { type: 'claimed' }
  | { type: 'hostUnproven' }
  | { type: 'closed' }
  | { type: 'terminate' }
  | { type: 'drained' }
  | { type: 'host.gone' };

function notProvided(what: string): never {
  throw new Error(`agent: ${what} was not provided`);
}

export const agentMachine = setup({
  types: { events: {} as AgentEvent },
  // How long each takes is known to src/agent alone.
  delays: {
    answerTimeout: () => notProvided("delay 'answerTimeout'"),
    retry: () => notProvided("delay 'retry'"),
    giveUp: () => notProvided("delay 'giveUp'"),
  },
}).createMachine({
  id: 'agent',
  description: 'The session of an agent with its host, over all reconnects, until the agent ends.',
  initial: 'seeking',
  states: {
    seeking: {
      description: 'The agent has no session and tries to open one.',
      initial: 'connecting',
      on: { 'host.gone': 'ended', terminate: 'ended' },
      after: { giveUp: 'lost' },
      states: {
        connecting: {
          description: 'The agent connects to the address of the host.',
          on: { connected: 'authenticating', closed: 'waiting' },
        },
        authenticating: {
          description: 'The agent shows its token, or both ends prove that they know it. It sends nothing else meanwhile.',
          on: { accepted: '#agent.serving', refused: '#agent.refused', claimed: 'waiting', hostUnproven: 'waiting', closed: 'waiting' },
          after: { answerTimeout: 'waiting' },
        },
        waiting: {
          description:
            'The agent waits before the next attempt. The first retry comes at once. Later waits are random; their bound doubles with each attempt.',
          after: { retry: 'connecting' },
        },
      },
    },
    serving: {
      description: 'The session is open: the agent executes requests and answers heartbeats.',
      on: { closed: 'seeking', terminate: 'draining', 'host.gone': 'ended' },
    },
    draining: {
      description: 'The host has asked the agent to end. The agent finishes its executions and takes no new request.',
      on: { drained: 'ended', closed: 'ended', terminate: 'draining', 'host.gone': 'ended' },
    },
    ended: { description: 'The agent ended as asked, or its host is gone: serve() resolves.', type: 'final' },
    refused: { description: 'The host refused the token or the versions, or did not prove itself: serve() rejects.', type: 'final' },
    lost: { description: 'The agent could not reconnect in time: serve() rejects.', type: 'final' },
  },
});

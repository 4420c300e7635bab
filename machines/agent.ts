// The agent's side of a session, as a chart. It is drawn and tested; what runs in the agent process is the table in
// src/agent/table.ts, which a test proves equal on every path: an agent must start without loading xstate.
import { setup } from 'xstate';

export type AgentEvent =
  | { type: 'connected' }
  | { type: 'admitted' }
  | { type: 'refused' }
  | { type: 'claimed' }
  | { type: 'closed' }
  | { type: 'terminate' }
  | { type: 'drained' }
  | { type: 'host.gone' };

export const agentMachine = setup({
  types: { events: {} as AgentEvent },
  delays: { answerTimeout: 10_000, retry: 100, giveUp: 30_000 },
}).createMachine({
  id: 'agent',
  description: 'An agent and its host: found, lost, found again, and left in order.',
  initial: 'seeking',
  states: {
    seeking: {
      description: 'There is no session.',
      initial: 'connecting',
      on: { 'host.gone': 'ended', terminate: 'ended' },
      after: { giveUp: 'lost' },
      states: {
        connecting: {
          description: 'The host is called at its address.',
          on: { connected: 'authenticating', closed: 'waiting' },
        },
        authenticating: {
          description: 'The token was sent. Nothing else is, until the host has answered.',
          on: { admitted: '#agent.serving', refused: '#agent.refused', claimed: 'waiting', closed: 'waiting' },
          after: { answerTimeout: 'waiting' },
        },
        waiting: {
          description: 'A moment before the next try: none after the first loss, longer after each.',
          after: { retry: 'connecting' },
        },
      },
    },
    serving: {
      description: 'Requests are executed, heartbeats answered.',
      on: { closed: 'seeking', terminate: 'draining', 'host.gone': 'ended' },
    },
    draining: {
      description: 'The host wants it to end: no new request is taken, those in hand are finished.',
      on: { drained: 'ended', closed: 'ended', terminate: 'draining', 'host.gone': 'ended' },
    },
    ended: { description: 'Left in order: serve() resolves.', type: 'final' },
    refused: { description: 'The host does not know this token: serve() rejects.', type: 'final' },
    lost: { description: 'The host could not be found again: serve() rejects.', type: 'final' },
  },
});

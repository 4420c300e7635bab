// The chart machines/agent.ts as a transition table: an agent must start without loading xstate. A test proves that chart and
// table are equal on every path.
export type SessionState = 'connecting' | 'authenticating' | 'waiting' | 'serving' | 'draining' | 'ended' | 'refused' | 'lost';
export type SessionEvent =
  | 'connected'
  | 'accepted'
  | 'refused'
  | 'claimed'
  | 'hostUnproven'
  | 'closed'
  | 'terminate'
  | 'drained'
  | 'host.gone'
  // The timers of the chart.
  | 'answerTimeout'
  | 'retry'
  | 'giveUp';

const seeking = { 'host.gone': 'ended', terminate: 'ended', giveUp: 'lost' } as const;

export const initialState: SessionState = 'connecting';

export const table: Readonly<Record<SessionState, Readonly<Partial<Record<SessionEvent, SessionState>>>>> = {
  connecting: { ...seeking, connected: 'authenticating', closed: 'waiting' },
  authenticating: {
    ...seeking,
    accepted: 'serving',
    refused: 'refused',
    claimed: 'waiting',
    hostUnproven: 'waiting',
    closed: 'waiting',
    answerTimeout: 'waiting',
  },
  waiting: { ...seeking, retry: 'connecting' },
  serving: { closed: 'connecting', terminate: 'draining', 'host.gone': 'ended' },
  draining: { drained: 'ended', closed: 'ended', terminate: 'draining', 'host.gone': 'ended' },
  ended: {},
  refused: {},
  lost: {},
};

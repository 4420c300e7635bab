// How an agent moves: machines/agent.ts as a table, so that an agent starts without loading xstate. A test proves that
// they are equal on every path.
export type State = 'connecting' | 'authenticating' | 'waiting' | 'serving' | 'draining' | 'ended' | 'refused' | 'lost';
export type Event =
  | 'connected'
  | 'admitted'
  | 'refused'
  | 'claimed'
  | 'closed'
  | 'terminate'
  | 'drained'
  | 'host.gone'
  // Timers of the chart.
  | 'answerTimeout'
  | 'retry'
  | 'giveUp';

const seeking = { 'host.gone': 'ended', terminate: 'ended', giveUp: 'lost' } as const;

export const initialState: State = 'connecting';

export const table: Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>> = {
  connecting: { ...seeking, connected: 'authenticating', closed: 'waiting' },
  authenticating: { ...seeking, admitted: 'serving', refused: 'refused', claimed: 'waiting', closed: 'waiting', answerTimeout: 'waiting' },
  waiting: { ...seeking, retry: 'connecting' },
  serving: { closed: 'connecting', terminate: 'draining', 'host.gone': 'ended' },
  draining: { drained: 'ended', closed: 'ended', terminate: 'draining', 'host.gone': 'ended' },
  ended: {},
  refused: {},
  lost: {},
};

// The types of the charts that callers of spearlet see. It imports nothing, so that the package's types end here.

/** Why an incarnation ended. */
export type ExitReason =
  | 'completed'
  | 'crashed'
  | 'stopped'
  | 'restarted'
  | 'spawn'
  | 'listen'
  | 'connect'
  | 'heartbeat'
  | 'link'
  | 'memory'
  | 'unresponsive'
  | 'restart'
  | 'internal';

/** How far the ending of a program had to go: a request to its agent, its kill signal (SIGTERM by default), SIGKILL. */
export type StopStage = 'asked' | 'signalled' | 'killed';

/** The state of a pool: it starts its first members, takes executions, finishes those it has, ends its members, has ended. */
export type PoolState = 'opening' | 'open' | 'draining' | 'stopping' | 'stopped';

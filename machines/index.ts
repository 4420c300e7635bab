// Every statechart of spearlet, pure: xstate and one another are all they import.
export { type AgentEvent, agentMachine } from './agent.ts';
export { type ConnectionEvent, connectionMachine } from './connection.ts';
export { type ExecutionEvent, executionMachine } from './execution.ts';
export { instanceMachine } from './instance.ts';
export type { InstanceContext, InstanceEvent, InstanceInput } from './instance-types.ts';
export { type PoolContext, type PoolEvent, type PoolInput, poolMachine } from './pool.ts';
export type { ExitReason, PoolState, StopStage } from './public-types.ts';
export { type SessionContext, type SessionEvent, type SessionInput, sessionMachine } from './session.ts';
export { type SupervisorContext, type SupervisorEvent, type SupervisorInput, supervisorMachine } from './supervisor.ts';

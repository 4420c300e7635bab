// All statecharts of spearlet. They import only xstate and each other.
export { agentMachine } from './agent.ts';
export { connectionMachine } from './connection.ts';
export { executionMachine } from './execution.ts';
export { instanceMachine } from './instance.ts';
export type { InstanceContext, InstanceEvent, InstanceInput } from './instance-types.ts';
export { type PoolContext, poolMachine } from './pool.ts';
export { type SessionContext, sessionMachine } from './session.ts';
export { type SupervisorContext, supervisorMachine } from './supervisor.ts';

// Every statechart of spearlet, pure: xstate and one another are all they import.
export { type AgentEvent, agentMachine } from './agent.ts';
export { type ConnectionEvent, connectionMachine } from './connection.ts';
export { type ExecutionEvent, executionMachine } from './execution.ts';
export { type InstanceContext, type InstanceEvent, type InstanceInput, instanceMachine } from './instance.ts';
export { type SupervisorContext, type SupervisorEvent, type SupervisorInput, supervisorMachine } from './supervisor.ts';

// The public entry for the statecharts: `import { instanceMachine } from 'spearlet/machines'`. Their contexts, events and actors
// are internal and may change: the types here name none of them, so that a program does not come to depend on them.
import type { AnyStateMachine } from 'xstate';
import * as charts from '../machines/index.ts';

/** The chart of an agent: it connects, authenticates, executes and drains. */
export const agentMachine: AnyStateMachine = charts.agentMachine;
/** The chart of a connection: one socket, authenticated before it is trusted, with its heartbeat. */
export const connectionMachine: AnyStateMachine = charts.connectionMachine;
/** The chart of an execution: from its request to the one answer that settles it. */
export const executionMachine: AnyStateMachine = charts.executionMachine;
/** The chart of an instance: it starts, connects, takes executions, reconnects, restarts and ends. */
export const instanceMachine: AnyStateMachine = charts.instanceMachine;
/** The chart of a pool: it opens, starts and replaces members, and drains. */
export const poolMachine: AnyStateMachine = charts.poolMachine;
/** The chart of a session: which connection holds it, and what happens when that one is lost. */
export const sessionMachine: AnyStateMachine = charts.sessionMachine;
/** The chart of the supervisor: it starts and stops the instances of one host. */
export const supervisorMachine: AnyStateMachine = charts.supervisorMachine;

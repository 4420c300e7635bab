// Counters of the executions of one instance, for `stats()`.

/** How many executions of an instance there were, and how many responses matched no running execution. */
export interface ExecutionCounts {
  /** Executions that were taken. */
  executions: number;
  /** Responses to an execution that had ended: late ones and duplicates. */
  lateAnswers: number;
  /** Responses that belong to no execution: an unknown request id, or the task id of another one. */
  foreignAnswers: number;
  /** Executions that the agent was told to cancel and did not answer within `grace`. */
  unanswered: number;
}

/** @internal */
export const newCounts = (): ExecutionCounts => ({ executions: 0, lateAnswers: 0, foreignAnswers: 0, unanswered: 0 });

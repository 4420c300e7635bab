// Counters of the executions of one instance, for `stats()`.
export interface ExecutionCounts {
  executions: number;
  /** Responses to an execution that had ended: late ones and duplicates. */
  lateAnswers: number;
  /** Responses that belong to no execution: an unknown request id, or the task id of another one. */
  foreignAnswers: number;
  /** Executions that the agent was told to cancel and did not answer within `grace`. */
  unanswered: number;
}

export const newCounts = (): ExecutionCounts => ({ executions: 0, lateAnswers: 0, foreignAnswers: 0, unanswered: 0 });

// What is counted of the executions of one instance.
export interface ExecutionCounts {
  executions: number;
  /** Answers for an execution that had ended already: late ones and duplicates. */
  lateAnswers: number;
  /** Answers that belong to no execution: an unknown request id, or another task's. */
  foreignAnswers: number;
  /** Executions that its agent was told to cancel and did not answer within the grace. */
  unanswered: number;
}

export const newCounts = (): ExecutionCounts => ({ executions: 0, lateAnswers: 0, foreignAnswers: 0, unanswered: 0 });

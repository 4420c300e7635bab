// Chooses the member for an execution: the least loaded one that is ready. It runs for every execution, so no choice looks at
// every member: there is a stack of members for each load. It starts and stops no member.

/** A member, as the dispatcher sees it. Only the dispatcher writes these fields. */
export interface DispatchState {
  /** Executions that it runs. */
  load: number;
  /** Whether it is given executions. */
  offered: boolean;
  /** Its index in the stack of its load; -1: it is in no stack. */
  index: number;
}

export interface Dispatcher<Member extends DispatchState> {
  /** The member is given executions from now on. */
  offer(member: Member): void;
  /** The member is given no more executions. Those that it runs go on. */
  withdraw(member: Member): void;
  /** The least loaded member, whose load is now one more; null: none is free. */
  take(): Member | null;
  /** An execution of the member has ended. */
  release(member: Member): void;
}

/**
 * Of members with the same load the one that was released last is taken, so that the others become idle. `isReady` is asked about
 * the member that is about to be taken: one that is not ready is withdrawn, until it is offered again.
 */
export function createDispatcher<Member extends DispatchState>(
  maxConcurrency: number,
  isReady: (member: Member) => boolean,
): Dispatcher<Member> {
  const stacks: Member[][] = Array.from({ length: maxConcurrency }, () => []);
  /** No stack below this one holds a member. */
  let lowest = 0;

  const push = (member: Member): void => {
    const { load } = member;
    // A full member is in no stack.
    if (load >= maxConcurrency) return;
    member.index = stacks[load]!.push(member) - 1;
    if (load < lowest) lowest = load;
  };
  const remove = (member: Member): void => {
    if (member.index === -1) return;
    const stack = stacks[member.load]!;
    const last = stack.pop()!;
    if (last !== member) {
      stack[member.index] = last;
      last.index = member.index;
    }
    member.index = -1;
  };
  const withdraw = (member: Member): void => {
    remove(member);
    member.offered = false;
  };

  return {
    offer(member) {
      if (member.offered) return;
      member.offered = true;
      push(member);
    },
    withdraw,
    take() {
      for (;;) {
        while (lowest < maxConcurrency && stacks[lowest]!.length === 0) lowest += 1;
        const member = stacks[lowest]?.at(-1);
        if (member === undefined) return null;
        if (!isReady(member)) withdraw(member);
        else {
          remove(member);
          member.load += 1;
          push(member);
          return member;
        }
      }
    },
    release(member) {
      remove(member);
      member.load -= 1;
      if (member.offered) push(member);
    },
  };
}

// A gate before one actor: it holds the events that others send to the actor until the test releases them. Programs and sockets
// are real. The test chooses the order of events of different senders; events of one sender keep their order.
import type { AnyActorRef, AnyMachineSnapshot } from 'xstate';
import { effectOf, keyOf } from './walk.ts';

export interface Held {
  readonly source: unknown;
  readonly event: { readonly type: string; readonly [key: string]: unknown };
  readonly deliver: () => unknown;
}

export interface Gate {
  readonly subject: AnyActorRef;
  readonly hasSubject: boolean;
  /** The events of the subject's own timers, in order. */
  readonly timers: string[];
  readonly held: readonly Held[];
  /** Every transition that any actor has taken, from its microsteps. */
  readonly taken: Set<string>;
  /** Every state that any actor has entered, states of microsteps included. */
  readonly visited: Set<string>;
  /** The effects of the subject in order: every action that XState does not carry out itself. */
  readonly effects: string[];
  /** The types of the events that the subject has sent to other actors, in order. */
  readonly reports: string[];
  /** Resolves with the first held event that matches. */
  wait(matches: (event: Held['event']) => boolean): Promise<Held>;
  /** Delivers one event. Throws where an earlier event of the same sender is still held. */
  release(held: Held): void;
  /** Delivers all held events, and holds none from now on. */
  open(): void;
  inspect(event: unknown): void;
}

/** Events whose order to other events of the same sender is not fixed. */
const UNORDERED = new Set(['process.ended']);

interface Inspected {
  readonly type: string;
  readonly actorRef: AnyActorRef & { logic: { id?: string } };
  readonly _transitions?: readonly never[];
  readonly snapshot?: AnyMachineSnapshot;
  readonly action?: { readonly type: string; readonly params?: unknown };
  readonly sourceRef?: AnyActorRef;
  readonly event?: { readonly type: string };
}

/** `isSubject`: the first actor for which it is true is the subject. `holds`: whether the gate holds an event. */
export function createGate(
  isSubject: (actor: Inspected['actorRef']) => boolean,
  holds: (event: Held['event'], subject: AnyActorRef) => boolean,
): Gate {
  let subject: AnyActorRef | null = null;
  let open = false;
  const held: Held[] = [];
  const waiters = new Set<() => void>();
  const taken = new Set<string>();
  const visited = new Set<string>();
  const timers: string[] = [];
  const effects: string[] = [];
  const reports: string[] = [];

  const tap = (system: { _relay: (source: unknown, target: unknown, event: never) => void }): void => {
    const relay = system._relay.bind(system);
    system._relay = (source, target, event: never) => {
      const { type } = event as Held['event'];
      // XState drops events to a stopped actor, too, but with a warning in development builds.
      if (/^(xstate\.done\.actor\.|start\.granted$|close$)/.test(type) && (target as AnyActorRef).getSnapshot().status !== 'active') return;
      if (subject === null || target !== subject) return relay(source, target, event);
      if (subject.getSnapshot().status !== 'active') return;
      if (source === target) timers.push(type);
      else if (!open && holds(event, subject)) {
        held.push({
          source: UNORDERED.has(type) ? type : (source ?? type),
          event,
          deliver: () => subject?.getSnapshot().status === 'active' && relay(source, target, event),
        });
        for (const wake of [...waiters]) wake();
        return;
      }
      relay(source, target, event);
    };
  };

  return {
    get subject() {
      return subject!;
    },
    get hasSubject() {
      return subject !== null;
    },
    timers,
    effects,
    reports,
    held,
    taken,
    visited,
    async wait(matches) {
      const find = (): Held | undefined => held.find(each => matches(each.event));
      const present = find();
      if (present !== undefined) return present;
      return new Promise(resolve => {
        const wake = (): void => {
          const found = find();
          if (found === undefined) return;
          waiters.delete(wake);
          resolve(found);
        };
        waiters.add(wake);
      });
    },
    release(one) {
      const first = held.find(each => each.source === one.source);
      if (first !== one) throw new Error(`${one.event.type} cannot overtake ${first?.event.type} of the same sender`);
      held.splice(held.indexOf(one), 1);
      one.deliver();
    },
    open() {
      open = true;
      for (const each of held.splice(0)) each.deliver();
    },
    inspect(inspected) {
      const { type, actorRef, _transitions, snapshot, action, sourceRef, event } = inspected as Inspected;
      if (type === '@xstate.action' && actorRef === subject && !action!.type.startsWith('xstate.')) effects.push(effectOf(action!));
      if (type === '@xstate.event' && subject !== null && sourceRef === subject && actorRef !== subject) reports.push(event!.type);
      if (type === '@xstate.microstep') {
        for (const t of _transitions ?? []) taken.add(keyOf(t));
        for (const node of snapshot?._nodes ?? []) visited.add(node.id);
      }
      if (type !== '@xstate.actor') return;
      if ((actorRef as { _parent?: unknown })._parent === undefined) tap(actorRef.system as never);
      if (subject === null && isSubject(actorRef)) subject = actorRef;
    },
  };
}

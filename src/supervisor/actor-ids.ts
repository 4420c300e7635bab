// Names that are used again. XState remembers every event type for as long as a machine lives, and `xstate.done.actor.ID`
// is one for each id: with ids that are never used again it would remember every instance there ever was.

export interface ActorIds {
  acquire(): string;
  release(actorId: string): void;
}

export function createActorIds(): ActorIds {
  const free: string[] = [];
  let made = 0;
  return {
    acquire() {
      const actorId = free.pop();
      if (actorId !== undefined) return actorId;
      made += 1;
      return `instance-${made}`;
    },
    release(actorId) {
      // Connections of the shared listener are children too, with names of their own.
      if (actorId.startsWith('instance-')) free.push(actorId);
    },
  };
}

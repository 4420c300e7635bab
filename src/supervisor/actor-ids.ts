// Actor ids that are used again. XState caches every event type for as long as a machine lives, and `xstate.done.actor.ID` is
// one for each id: with ids that are never used again the cache would grow with every instance.

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
      // Connections of the shared listener are children of the supervisor too, with ids of their own.
      if (actorId.startsWith('instance-')) free.push(actorId);
    },
  };
}

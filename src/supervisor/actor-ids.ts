// Gives out the actor ids of instances, and reuses released ones. XState caches every event type as long as a machine lives,
// and each actor id has its own `xstate.done.actor.ID`: without reuse the cache would grow with every instance.

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
      // Unrouted connections are children of the supervisor, too. Their ids are not given out here.
      if (actorId.startsWith('instance-')) free.push(actorId);
    },
  };
}

// Names that are used again. XState remembers every event type for as long as a machine lives, and `xstate.done.actor.ID`
// is one for each id: with ids that are never used again it would remember every instance there ever was.

export interface Places {
  take(): string;
  release(place: string): void;
}

export function createPlaces(): Places {
  const free: string[] = [];
  let made = 0;
  return {
    take() {
      const place = free.pop();
      if (place !== undefined) return place;
      made += 1;
      return `instance-${made}`;
    },
    release(place) {
      // Connections of the shared listener are children too, with names of their own.
      if (place.startsWith('instance-')) free.push(place);
    },
  };
}

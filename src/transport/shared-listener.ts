// One listener for many instances: open while anybody needs it. It knows wires, and not whose they are.
import type { Ports } from './ports.ts';
import type { Listening, Wire } from './stream.ts';

export interface Door {
  /** Who is handed every wire; returns how to stop that. */
  attend(accepted: (wire: Wire) => void): () => void;
  /** The listener, opened for the first who asks and closed with the last. Throws as `Ports.listen`. */
  share(): Listening;
}

export function createDoor(ports: Ports): Door {
  let attendant: ((wire: Wire) => void) | null = null;
  let listening: Listening | null = null;
  let shares = 0;
  return {
    attend(accepted) {
      attendant = accepted;
      return () => {
        attendant = null;
      };
    },
    share() {
      const shared = (listening ??= ports.listen(wire => (attendant === null ? wire.close() : attendant(wire))));
      shares += 1;
      let mine = true;
      return {
        ...shared,
        close() {
          if (!mine) return Promise.resolve();
          mine = false;
          shares -= 1;
          if (shares > 0) return Promise.resolve();
          listening = null;
          return shared.close();
        },
      };
    },
  };
}

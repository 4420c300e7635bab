// What @statelyai/inspect gets to see of a spearlet, and what it does not.
import { createWebSocketInspector } from '@statelyai/inspect';

const isHarmless = value => value === null || typeof value === 'number' || typeof value === 'boolean';
/** Numbers, flags and nulls: no text leaves, so neither does a path, an address or a message. */
const harmlessOf = given => Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => isHarmless(value)));

/** An inspector for `createSpearlet({ inspect: inspector.inspect })` that sends to the relay at `url`. */
export const createInspector = url =>
  createWebSocketInspector({
    url,
    sanitizeContext: harmlessOf,
    sanitizeEvent: event => ({ ...harmlessOf(event), type: event.type }),
    // Snapshots of what is not a chart also hold its input, output and error, which neither of the two above sees.
    serialize({ snapshot, ...event }) {
      if (snapshot === undefined) return event;
      const { status, value, context, tags = [], children = {} } = snapshot;
      return { ...event, snapshot: { status, value, context, tags: [...tags], children } };
    },
  });

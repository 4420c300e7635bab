// Decides what @statelyai/inspect may see of a spearlet.
import { createWebSocketInspector } from '@statelyai/inspect';

const isHarmless = value => value === null || typeof value === 'number' || typeof value === 'boolean';
/** Keeps numbers, booleans and nulls. Text never leaves, because it may be a path, an address or a message. */
const harmlessOf = given => Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => isHarmless(value)));

/** An inspector for `createSpearlet({ inspect: inspector.inspect })` that sends to the relay at `url`. */
export const createInspector = url =>
  createWebSocketInspector({
    url,
    sanitizeContext: harmlessOf,
    sanitizeEvent: event => ({ ...harmlessOf(event), type: event.type }),
    // Snapshots of actors that are not charts also hold input, output and error, which the two functions above do not see.
    serialize({ snapshot, ...event }) {
      if (snapshot === undefined) return event;
      const { status, value, context, tags = [], children = {} } = snapshot;
      return { ...event, snapshot: { status, value, context, tags: [...tags], children } };
    },
  });

// The effect `authenticate`: is this the program that was given the token? Constant time, one verdict for every cause.
import { createHash, timingSafeEqual } from 'node:crypto';
import { fromPromise } from 'xstate';

export interface AuthenticateDeps {
  /** What the connection claimed, and what is true. */
  facts(connectionId: string): { claimed: { instanceId: string; token: string }; instanceId: string; token: string };
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares digests, so that neither a length nor a place of difference shows in the time it takes. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

export const authenticate = (deps: AuthenticateDeps) =>
  fromPromise<{ genuine: boolean }, { connectionId: string }>(({ input }) => {
    const { claimed, instanceId, token } = deps.facts(input.connectionId);
    const sameInstance = isSame(claimed.instanceId, instanceId);
    const sameToken = isSame(claimed.token, token);
    return Promise.resolve({ genuine: sameInstance && sameToken });
  });

// The effect `authenticate`: is this the program that was given the token? Constant time, one verdict for every cause.
import { createHash, timingSafeEqual } from 'node:crypto';
import { fromPromise } from 'xstate';
import type { ConnectionName, Verdict } from '../../machines/connection.ts';

export interface AuthenticateDeps {
  /** What the connection claimed, and what is true; `routed`: the shared listener accepted it and only routes it to its instance. */
  facts(name: ConnectionName): { claimed: { instanceId: string; token: string }; instanceId: string; token: string; routed: boolean };
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares digests, so that neither a length nor a place of difference shows in the time it takes. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

export const authenticate = (deps: AuthenticateDeps) =>
  fromPromise<{ verdict: Verdict }, ConnectionName>(({ input }) => {
    const { claimed, instanceId, token, routed } = deps.facts(input);
    const sameInstance = isSame(claimed.instanceId, instanceId);
    const sameToken = isSame(claimed.token, token);
    const right = routed ? 'routed' : 'genuine';
    return Promise.resolve({ verdict: sameInstance && sameToken ? right : 'foreign' });
  });

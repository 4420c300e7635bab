// Commands against several instances, as data that fast-check draws and shrinks. The effects of a command are not known here; a
// command that does not apply in a state does nothing.
import fc from 'fast-check';
import type { Status } from '../../src/protocol/message.ts';
import type { Policy } from './reference.ts';

const nat = fc.nat({ max: 7 });
/** The next command follows in the same turn, before this one has had any effect. */
const hasty = fc.boolean();
const grace = fc.constantFrom(0, 100, 400);
const kind = fc.constantFrom<Policy | 'external'>('temporary', 'external', 'transient', 'permanent');

const commands = {
  start: fc.record({ do: fc.constant('start' as const), kind }),
  abortStart: fc.record({ do: fc.constant('abortStart' as const), at: nat }),
  join: fc.record({ do: fc.constant('join' as const), at: nat, hasty }),
  dial: fc.record({ do: fc.constant('dial' as const), at: nat }),
  claim: fc.record({
    do: fc.constant('claim' as const),
    socket: nat,
    what: fc.constantFrom('right' as const, 'wrong token' as const, 'wrong id' as const, 'old token' as const),
    hasty,
  }),
  garbage: fc.record({
    do: fc.constant('garbage' as const),
    socket: nat,
    what: fc.constantFrom(
      'no frame' as const,
      'no JSON' as const,
      'too large' as const,
      'half a frame' as const,
      'an unexpected message' as const,
    ),
    hasty,
  }),
  cut: fc.record({
    do: fc.constant('cut' as const),
    socket: nat,
    how: fc.constantFrom('end' as const, 'reset' as const, 'destroy' as const),
    hasty,
  }),
  execute: fc.record({
    do: fc.constant('execute' as const),
    at: nat,
    limit: fc.constantFrom(null, null, 50, 700, 4_000),
    name: fc.constantFrom(null, null, null, 'job', 'chore'),
    slow: fc.constantFrom(false, false, false, true),
    aborted: fc.constantFrom(false, false, false, false, false, true),
    hasty,
  }),
  cancel: fc.record({ do: fc.constant('cancel' as const), task: nat, how: fc.constantFrom('cancel' as const, 'abort' as const), hasty }),
  answer: fc.record({
    do: fc.constant('answer' as const),
    task: nat,
    status: fc.constantFrom<Status>('Completed', 'Completed', 'Failed', 'Started', 'Running'),
    times: fc.constantFrom(1, 1, 1, 2),
    twist: fc.constantFrom(
      'none' as const,
      'none' as const,
      'none' as const,
      'other task' as const,
      'other id' as const,
      'other socket' as const,
    ),
    flood: fc.constantFrom(false, false, false, false, true),
    hasty,
  }),
  read: fc.record({ do: fc.constant('read' as const), task: nat, hasty }),
  freeze: fc.record({ do: fc.constant('freeze' as const), socket: nat }),
  thaw: fc.record({ do: fc.constant('thaw' as const), socket: nat, hasty }),
  die: fc.record({
    do: fc.constant('die' as const),
    at: nat,
    how: fc.constantFrom('SIGUSR1' as const, 'SIGUSR2' as const, 'SIGKILL' as const),
  }),
  stop: fc.record({ do: fc.constant('stop' as const), at: nat, grace, hasty }),
  stopAll: fc.record({ do: fc.constant('stopAll' as const), grace, hasty }),
  pass: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 60, 300, 1_050, 2_050, 3_050, 8_050) }),
  hold: fc.record({ do: fc.constant('hold' as const), at: nat }),
  release: fc.record({
    do: fc.constant('release' as const),
    at: nat,
    from: fc.constantFrom('network' as const, 'process' as const),
    hasty,
  }),
  open: fc.record({ do: fc.constant('open' as const), at: nat }),
};

export type Command = {
  [K in keyof typeof commands]: (typeof commands)[K] extends fc.Arbitrary<infer T> ? T : never;
}[keyof typeof commands];

const weights: Readonly<Record<keyof typeof commands, number>> = {
  start: 3,
  abortStart: 1,
  join: 12,
  dial: 2,
  claim: 4,
  garbage: 2,
  cut: 5,
  execute: 12,
  cancel: 3,
  answer: 20,
  read: 1,
  freeze: 2,
  thaw: 1,
  die: 4,
  stop: 1,
  stopAll: 0.2,
  pass: 9,
  hold: 1,
  release: 3,
  open: 1,
} as never;

/** Commands against a spearlet with some instances. */
export interface Scenario {
  readonly listener: 'perInstance' | 'shared';
  readonly instances: readonly { readonly kind: Policy | 'external'; readonly joined: boolean }[];
  readonly commands: readonly Command[];
}

export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  listener: fc.constantFrom('perInstance', 'shared'),
  instances: fc.array(fc.record({ kind, joined: fc.constantFrom(false, true, true, true) }), { minLength: 1, maxLength: 3 }),
  commands: fc.array(
    fc.oneof(
      ...Object.entries(commands).map(([name, arbitrary]) => ({
        weight: Math.round(weights[name as never] * 10),
        arbitrary: arbitrary as fc.Arbitrary<Command>,
      })),
    ),
    { minLength: 1, maxLength: 40, size: 'max' },
  ),
});

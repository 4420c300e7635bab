// Every path of the connection machine, walked by an actor that runs, with actors under it that do what the test says.

import { expect, test } from 'vitest';
import { fromCallback, fromPromise } from 'xstate';
import { connectionMachine } from '../../machines/index.ts';
import { advance, delayOf, everyTransition, follow, type Happening, pathsOf, run } from './walk.ts';

const delays: Record<string, number> = { authTimeout: 50, silence: 10, heartbeat: 10, lastLook: 5, probe: 20 };
const input = { instanceId: 'i1', connectionId: 'c1', misses: 3 };

test('100 % of the states and transitions of the connection machine are walked', async () => {
  const taken = new Set<string>();
  const states = new Set<string>();
  const paths = pathsOf({
    machine: connectionMachine,
    input,
    bits: ({ missed, code }: { missed: number; code: string }) => [missed, code],
    cases(type) {
      if (type === 'xstate.done.actor.authenticator')
        return ['genuine', 'elsewhere', 'foreign'].map(verdict => ({ type, actorId: 'authenticator', output: { verdict } }));
      if (type === 'xstate.error.actor.authenticator') return [{ type, actorId: 'authenticator', error: 'broken' }];
      if (type === 'link.closed') return [{ type, code: 'LINK_LOST', message: 'closed' }];
      if (type === 'drain') return [{ type, grace: 100 }];
      return [{ type }];
    },
  });
  for (const steps of paths) {
    let verdict: { resolve(output: { verdict: string }): void; reject(error: unknown): void } | undefined;
    let tell: (event: never) => void = () => {};
    const commands: Happening[] = [];
    let disposed = 0;
    const system = run(
      connectionMachine.provide({
        delays,
        actors: {
          link: fromCallback(({ sendBack, receive }) => {
            tell = sendBack as never;
            receive(command => void commands.push(command as never));
            return () => {
              disposed += 1;
            };
          }) as never,
          authenticate: fromPromise(() => new Promise((resolve, reject) => (verdict = { resolve: resolve as never, reject }))) as never,
        },
      }),
      input,
      taken,
    );
    for (const step of steps) {
      const settling = step.event.type.includes('.actor.authenticator');
      const difference = settling
        ? null
        : follow(system, [step], event => {
            const delay = delayOf(event.type);
            if (delay !== null) advance(system, delays[delay]!);
            else if (/^(link|auth|reading)\./.test(event.type)) tell(event as never);
            else system.actor.send(event as never);
          });
      if (settling) {
        if (step.event.type.includes('.done.')) verdict!.resolve(step.event.output as never);
        else verdict!.reject(step.event.error);
        await Promise.resolve();
        await Promise.resolve();
        await Promise.resolve();
        expect((system.actor.getSnapshot() as { value: unknown }).value).toEqual(step.state.value);
      }
      expect(difference).toBeNull();
      states.add(JSON.stringify(step.state.value));
    }
    const ended = (system.actor.getSnapshot() as { status: string }).status === 'done';
    system.stop();
    expect(disposed).toBe(1);
    expect(system.reports.filter(each => each.type === 'connection.closed').length).toBe(ended ? 1 : 0);
    expect(system.reports.some(each => each.type === 'host.failed')).toBe(false);
  }
  expect(everyTransition(connectionMachine).filter(key => !taken.has(key))).toEqual([]);
  console.info(
    `connection: ${paths.length} paths, ${states.size} configurations, ${taken.size} of ${everyTransition(connectionMachine).length} transitions`,
  );
});

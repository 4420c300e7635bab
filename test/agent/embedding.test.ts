// A process that the host started ends with the host, whatever it does with its stdin. A program or thread that embeds an
// agent does not.
import { once } from 'node:events';
import { expect, test } from 'vitest';
import * as v1 from '../../src/protocol/v1/messages.ts';
import type { HandPeer } from '../situations/world.ts';
import { answer, execute, openHost } from './host.ts';

const uses = [
  'is paused',
  'is paused, resumed and paused',
  'has a reader that does not read',
  'was read by lines until they were closed',
  'is iterated',
  'is destroyed',
  'is not held',
];

test.each(uses.flatMap(use => [[use, 'before'] as const, [use, 'after'] as const]))(
  "an agent whose stdin %s (done %s serve() is called) ends with its host's pipe",
  async (use, when) => {
    const host = await openHost('stdin.js', when, use);
    const link = await host.session();
    execute(link, 1, 't', 'any');
    expect(v1.decodeExecuteResponse(Buffer.from(await answer(link)))).toMatchObject({ status: 'Completed', output: when });
    // The connection stays open: only the end of the pipe says that the host is gone.
    host.child.stdin!.end();
    expect(await host.exited).toBe(0);
  },
);

const echo = async (link: HandPeer, id: number): Promise<string | null> => {
  execute(link, id, 't', 'echo', `${id}`);
  return v1.decodeExecuteResponse(Buffer.from(await answer(link))).output;
};

test('serve() with the option `environment` leaves stdin, SIGTERM and the exit to the program', async () => {
  const host = await openHost('embedded.js');
  const said = async () => (await once(host.child, 'message'))[0];
  const link = await host.session();
  host.child.stdin!.end();
  expect(await said()).toBe('stdin ended');
  expect(await echo(link, 1)).toBe('1');
  host.child.kill('SIGTERM');
  expect(await said()).toBe('SIGTERM');
  expect(await echo(link, 2)).toBe('2');
  link.send('Signal', 3, v1.encodeSignal({ signal: 'terminate', grace_ms: 1_000 }));
  expect(await said()).toBe('served');
  host.child.send({ leave: 7 });
  expect(await host.exited).toBe(7);
});

test('serve() in a worker thread ignores stdin and ends only by its connection', async () => {
  const host = await openHost('in-worker.js');
  const link = await host.session();
  expect(await echo(link, 1)).toBe('1');
  host.child.stdin!.end();
  expect(await echo(link, 2)).toBe('2');
  link.send('Signal', 3, v1.encodeSignal({ signal: 'terminate', grace_ms: 1_000 }));
  expect(await host.exited).toBe(7);
});

// The example with the Stately Inspector: the messages on the WebSocket, and the clients that get them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { atEnd } from '../census/census.ts';
import { failureOf, joinAs, openSpearlet, seen, startHollow, until } from '../situations/world.ts';

const example = join(import.meta.dirname, '..', '..', 'examples', 'stately-inspect');
interface Relay {
  readonly page: string;
  readonly url: string;
  close(): void;
}
interface Inspector {
  readonly inspect: never;
  stop(): void;
}
const { openRelay } = (await import(join(example, 'relay.js'))) as { openRelay(): Promise<Relay> };
const { createInspector } = (await import(join(example, 'inspector.js'))) as { createInspector(url: string): Inspector };

interface Message {
  readonly type: string;
  readonly name?: string;
  readonly sessionId: string;
  readonly definition?: string;
  readonly snapshot?: { readonly value?: unknown };
}

/** Reads all messages, as the page in the browser does. */
async function view(url: string) {
  const socket = new WebSocket(url);
  atEnd(() => socket.terminate());
  const texts: string[] = [];
  socket.on('message', data => texts.push(String(data)));
  await once(socket, 'open');
  const messages = () => texts.map(text => JSON.parse(text) as Message);
  /** The states that the actor of this name was seen in. */
  const states = (name: string): unknown[] => {
    const sessions = messages().flatMap(each => (each.type === '@xstate.actor' && each.name === name ? each.sessionId : []));
    return messages().flatMap(({ type, sessionId, snapshot }) =>
      type === '@xstate.snapshot' && sessions.includes(sessionId) ? snapshot?.value : [],
    );
  };
  return { texts, messages, states };
}

test('charts and states go over the WebSocket, but no token, address or id', async () => {
  const relay = await openRelay();
  atEnd(() => relay.close());
  const viewer = await view(relay.url);
  const inspector = createInspector(relay.url);
  const spearlet = openSpearlet({ inspect: inspector.inspect });
  const { environment, instance } = await startHollow(spearlet);
  const wrong = joinAs({ ...environment, SPEARLET_TOKEN: `${environment.SPEARLET_TOKEN}x` });
  expect(await failureOf(wrong)).toBeInstanceOf(Error);
  await joinAs(environment);
  await seen(instance.state$, state => state === 'ready');
  await instance.stop({ grace: 0 });
  await until(() => viewer.states('instance-1').includes('stopped'));
  inspector.stop();

  expect(viewer.states('instance-1')).toEqual(expect.arrayContaining([{ running: { started: { connected: 'ready' } } }, 'stopped']));
  expect(viewer.states('connection-1')).toContainEqual({ ready: { heartbeat: 'idle', reading: 'flowing' } });
  const charts = viewer
    .messages()
    .flatMap(({ type, definition = '' }) => (type === '@xstate.actor' ? (JSON.parse(definition) as { id: string; states?: object }) : []));
  for (const id of ['supervisor', 'instance', 'connection'])
    expect(charts.find(chart => chart.id === id)?.states, id).toBeInstanceOf(Object);
  for (const secret of [environment.SPEARLET_TOKEN!, environment.SPEARLET_ADDR!, instance.id])
    expect(viewer.texts.filter(text => text.includes(secret))).toEqual([]);
});

test('a client without the path of the relay gets nothing', async () => {
  const relay = await openRelay();
  atEnd(() => relay.close());
  const { origin, host } = new URL(relay.page);
  expect(host).toMatch(/^127\.0\.0\.1:/);
  expect((await fetch(relay.page)).status).toBe(200);
  expect((await fetch(origin, { headers: { connection: 'close' } })).status).toBe(404);
  const intruder = new WebSocket(`ws://${host}/`);
  await expect(once(intruder, 'open')).rejects.toThrow('400');
});

test('the example runs, shows a crash and a restart, and ends with Ctrl-C', async () => {
  const program = spawn(process.execPath, [join(example, 'main.js')], { stdio: ['ignore', 'pipe', 'inherit'] });
  atEnd(() => void program.kill('SIGKILL'));
  const lines = createInterface({ input: program.stdout });
  const [first] = (await once(lines, 'line')) as [string];
  const viewer = await view(/open (http.*)/.exec(first)![1]!.replace('http', 'ws'));
  const works = { running: { started: { connected: 'executing' } } };
  await until(() => viewer.states('instance-1').some(state => JSON.stringify(state) === JSON.stringify(works)));
  await until(() => viewer.states('instance-1').includes('backoff'));
  program.kill('SIGINT');
  expect(await once(program, 'exit')).toEqual([0, null]);
});

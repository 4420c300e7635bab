// A real browser page as an agent, over a WebSocket: Debian's Chromium runs examples/browser-agent.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atEnd } from '../census/census.ts';
import { failureOf, openSpearlet, seen } from './world.ts';

const executablePath = '/usr/bin/chromium';
// Where Chromium is not installed the test says so; in CI it is, and a missing one fails.
const isHere = existsSync(executablePath);
if (!isHere) console.warn('no page in a browser is tested: apt-get install chromium');
const root = join(import.meta.dirname, '..', '..');
const scripts = new Map([
  ['/agent.js', readFileSync(join(root, 'examples', 'browser-agent', 'agent.js'))],
  ['/page.js', readFileSync(join(root, 'test', 'agents', 'page.js'))],
]);

/** Serves the page, and returns its origin. */
async function servePage(): Promise<string> {
  const server = createServer((request, response) => {
    const script = scripts.get(request.url ?? '');
    response.writeHead(200, { 'content-type': script === undefined ? 'text/html' : 'text/javascript' });
    response.end(script ?? '<!doctype html><title>the page</title><script type="module" src="/page.js"></script>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Becomes an agent; resolves with the code with which its WebSocket was closed. */
const becomeAgent = (page: Page, environment: object): Promise<number> => page.evaluate(`becomeAgent(${JSON.stringify(environment)})`);

describe.runIf(isHere || process.env.CI === 'true')('a page in Chromium', () => {
  let browser: Browser;
  // Once for all tests: the census of each begins with its processes.
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  }, 60_000);
  afterAll(() => browser?.close());

  async function openPage(origin: string): Promise<Page> {
    const page = await browser.newPage();
    atEnd(() => page.close());
    await page.goto(origin);
    return page;
  }

  test('is an agent: it answers, streams, fails, is cancelled, and ends when it is asked to', async () => {
    const spearlet = openSpearlet();
    const origin = await servePage();
    const expected = spearlet.expect({ artifactId: 'page', transport: 'ws', origins: [origin] });
    const closed = becomeAgent(await openPage(origin), expected.environment);
    const instance = await expected.ready;
    const run = (command: string, ...args: string[]) => instance.execute({ command, args }, { collect: true }).result;

    expect((await run('title')).output).toBe('the page');
    const echoes = await Promise.all(Array.from({ length: 64 }, (_, n) => run('echo', `${n}`, '😀')));
    expect(echoes.map(({ output }) => output)).toEqual(Array.from({ length: 64 }, (_, n) => `${n} 😀`));
    expect((await run('count', '1000')).output).toBe(Array.from({ length: 1_000 }, (_, n) => `${n + 1}\n`).join(''));
    // Its frame, an array of bytes in text, is larger than one WebSocket message may be.
    expect((await run('repeat', 'é', '400000')).output).toBe('é'.repeat(400_000));
    expect(await failureOf(run('fail'))).toMatchObject({ code: 'EXECUTION_FAILED', error: 'thrown in the page', exitCode: 1 });
    expect(await failureOf(run('constructor'))).toMatchObject({ code: 'EXECUTION_FAILED', exitCode: 127 });
    const waiting = instance.execute({ command: 'wait' });
    await seen(waiting.updates$, ({ status }) => status === 'started');
    waiting.cancel();
    expect(await failureOf(waiting.result)).toMatchObject({ code: 'CANCELLED' });
    expect((await run('echo', 'still here')).output).toBe('still here');

    expect(await instance.stop()).toMatchObject({ reason: 'stopped' });
    expect(await closed).toBe(1000);
  });

  test('is refused where it has another origin or another token', async () => {
    const spearlet = openSpearlet();
    const [origin, foreign] = [await servePage(), await servePage()];
    const expected = spearlet.expect({ artifactId: 'page', transport: 'ws', origins: [origin] });
    expected.ready.catch(() => {});
    // 1006: the browser tells a page nothing of why.
    expect(await becomeAgent(await openPage(foreign), expected.environment)).toBe(1006);
    await becomeAgent(await openPage(origin), { ...expected.environment, SPEARLET_TOKEN: 'wrong' });
    const closed = spearlet.events.filter(event => event.type === 'connection.closed');
    expect(closed).toMatchObject([{ code: 'AUTH_REFUSED' }]);
  });
});

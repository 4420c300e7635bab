// Restarts of one instance: its own intensity, period and backoff, ends that count as clean or final, and starts that fail for a while.
import { chmodSync, closeSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Instance, InstanceSpec } from '../../src/index.ts';
import { temporaryFolder } from './command.ts';
import { agentFile, everyday, failureOf, hollow, openSpearlet, seen, type TestSpearlet } from './world.ts';

const quick = { min: 1, max: 1, jitter: 'none' } as const;
const permanent: InstanceSpec = { ...everyday, restart: 'permanent', backoff: quick };

const exit = (instance: Instance, code: number): Promise<unknown> =>
  failureOf(instance.execute({ command: 'exit', args: [String(code)] }).result);
const answer = async (instance: Instance): Promise<unknown> => (await instance.execute({ command: 'echo', args: ['here'] }).result).output;
const reports = ({ events }: TestSpearlet) => events.flatMap(event => (event.type === 'instance.exited' ? [event.report] : []));

describe('an instance has its own', () => {
  test('intensity: one gives up at once, another never does', async () => {
    const spearlet = openSpearlet({ restart: { intensity: 1 } });
    const strict = await spearlet.start({ ...permanent, intensity: 0 });
    await exit(strict, 1);
    expect(await strict.exited).toMatchObject({ reason: 'restart', incarnation: 1 });
    const forever = await spearlet.start({ ...permanent, intensity: Number.POSITIVE_INFINITY });
    for (let n = 0; n < 4; n += 1) await exit(forever, 1);
    expect(await answer(forever)).toBe('here');
    expect(forever.incarnation).toBe(5);
  });

  test('period: failures that are further apart are forgiven', async () => {
    const spearlet = openSpearlet({ restart: { intensity: 1 } });
    const instance = await spearlet.start({ ...permanent, period: 1 });
    for (let n = 0; n < 3; n += 1) await exit(instance, 1);
    expect(await answer(instance)).toBe('here');
  });

  test('backoff, which is never shorter than its floor', async () => {
    const spearlet = openSpearlet({ restart: { backoff: { min: 1, max: 1 } } });
    const instance = await spearlet.start({ ...permanent, backoff: { min: 60_000, max: 60_000 } });
    await exit(instance, 1);
    await seen(instance.state$, state => state === 'backoff');
    const { waits, at } = spearlet.explain(instance.id)!;
    const due = waits.find(({ timeout }) => timeout === 'backoff')!.until!;
    expect(due - at).toBeGreaterThan(50_000);
    expect(due - at).toBeLessThanOrEqual(60_000);
  });

  test('backoff, whose floor may not be above the other bound, wherever that comes from', async () => {
    const spearlet = openSpearlet();
    expect(await failureOf(spearlet.start({ ...everyday, backoff: { min: 60_000 } }))).toMatchObject({
      code: 'INVALID_OPTIONS',
      issues: [{ path: 'backoff.min', value: 60_000, message: '`min` must not be above `max`: it is 60000, and `max` 30000' }],
    });
    expect(() => spearlet.pool({ ...everyday, backoff: { max: 10 } })).toThrow('`min` must not be above `max`: it is 200');
    expect(spearlet.events).toEqual([]);
  });
});

describe('an exit code', () => {
  test('of successCodes is a clean end: transient does not restart', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...permanent, restart: 'transient', successCodes: [143] });
    await exit(instance, 1);
    expect(await answer(instance)).toBe('here');
    await exit(instance, 143);
    expect(await instance.exited).toMatchObject({ reason: 'completed', code: 143, incarnation: 2 });
  });

  test('of neverRestartOn ends a permanent instance for good', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...permanent, neverRestartOn: [78] });
    await exit(instance, 1);
    expect(await answer(instance)).toBe('here');
    await exit(instance, 78);
    expect(await instance.exited).toMatchObject({ reason: 'crashed', code: 78, incarnation: 2 });
  });

  test('of a death by signal n is 128 + n', async () => {
    const spearlet = openSpearlet();
    const instance = await spearlet.start({ ...permanent, neverRestartOn: [137] });
    process.kill(instance.pid!, 'SIGKILL');
    expect(await instance.exited).toMatchObject({ reason: 'crashed', signal: 'SIGKILL', incarnation: 1 });
  });
});

test('a SIGTERM that spearlet did not send is a clean end: transient does not restart, permanent does', async () => {
  const spearlet = openSpearlet();
  // Without a handler, as most programs of other languages: serve() would end in order.
  const spec = { artifactId: 'plain', command: process.execPath, args: [agentFile('plain.js')], backoff: quick };
  const transient = await spearlet.start({ ...spec, restart: 'transient' });
  process.kill(transient.pid!, 'SIGTERM');
  expect(await transient.exited).toMatchObject({ reason: 'completed', code: null, signal: 'SIGTERM' });
  const lasting = await spearlet.start({ ...spec, restart: 'permanent' });
  process.kill(lasting.pid!, 'SIGTERM');
  await seen(lasting.state$, state => state === 'ready' && lasting.incarnation === 2);
  const killed = await spearlet.start({ ...spec, restart: 'transient' });
  process.kill(killed.pid!, 'SIGKILL');
  await seen(killed.state$, state => state === 'ready' && killed.incarnation === 2);
});

/** A script that becomes an agent. Each way makes its next start fail; the result makes it possible again. */
const failingStarts: Record<string, (script: string) => () => void> = {
  ENOENT(script) {
    renameSync(script, `${script}.away`);
    return () => renameSync(`${script}.away`, script);
  },
  EACCES(script) {
    chmodSync(script, 0o600);
    return () => chmodSync(script, 0o700);
  },
  ETXTBSY(script) {
    const file = openSync(script, 'r+');
    return () => closeSync(file);
  },
};

describe('a restart that cannot start its program', () => {
  const writeScript = (): string => {
    const script = join(temporaryFolder(), 'script');
    writeFileSync(script, `#!/bin/sh\nexec "${process.execPath}" "${agentFile('everyday.js')}"\n`, { mode: 0o700 });
    return script;
  };

  test.each(Object.entries(failingStarts))('because of %s is tried again, as after any failure', async (_, breakStart) => {
    const spearlet = openSpearlet();
    const command = writeScript();
    const instance = await spearlet.start({ artifactId: 'deployed', command, restart: 'transient', intensity: 1_000, backoff: quick });
    const repair = breakStart(command);
    await exit(instance, 1);
    await seen(spearlet.events$, event => event.type === 'instance.exited' && event.report.reason === 'spawn');
    repair();
    expect(await answer(instance)).toBe('here');
  });

  test('gives up when the intensity is used up', async () => {
    const spearlet = openSpearlet();
    const command = writeScript();
    const instance = await spearlet.start({ artifactId: 'deployed', command, restart: 'permanent', intensity: 2, backoff: quick });
    failingStarts.ENOENT!(command);
    await exit(instance, 1);
    expect(await instance.exited).toMatchObject({ reason: 'restart', incarnation: 3 });
    expect(reports(spearlet).map(({ reason }) => reason)).toEqual(['crashed', 'spawn', 'spawn']);
  });
});

test('a restart of what was ready does not wait behind first starts that hang', async () => {
  const spearlet = openSpearlet({ maxConcurrentStarts: 1 });
  const instance = await spearlet.start(permanent);
  const hanging = spearlet.start(hollow);
  hanging.catch(() => {});
  await seen(spearlet.events$, event => event.type === 'instance.state' && event.artifactId === 'hollow' && event.state === 'listening');
  await exit(instance, 1);
  expect(await answer(instance)).toBe('here');
  expect(spearlet.instances.map(({ state }) => state)).toEqual([expect.stringMatching(/ready|executing/), 'listening']);
});

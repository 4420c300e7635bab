// A foreign agent on real Rust serde, which ends at the first frame it cannot read.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { failureOf, openSpearlet } from '../situations/world.ts';

const crate = join(import.meta.dirname, 'rust');
const crates = ['serde', 'serde_derive', 'serde_json'].every(name => {
  const registry = '/usr/share/cargo/registry';
  return (
    existsSync(registry) &&
    existsSync(join(registry, `${name}-${{ serde: '1.0.152', serde_derive: '1.0.152', serde_json: '1.0.87' }[name]}`))
  );
});
// Where the crates are not installed the test says so; in CI they are, and a missing one fails.
const run = crates || process.env.CI === 'true' ? test : test.skip;
if (!crates) console.warn('the strict Rust agent is not tested: apt-get install cargo librust-serde-derive-dev librust-serde-json-dev');

run(
  'a strict agent executes 1,000 mixed requests, 64 in flight, out of order; its random heartbeat ids come back exactly',
  async () => {
    await promisify(execFile)('cargo', ['build', '--offline', '--quiet'], { cwd: crate });
    const spearlet = openSpearlet();
    const agent = await spearlet.start({ artifactId: 'strict', command: join(crate, 'target', 'debug', 'strict-agent') });
    const text = (i: number) => `${i} é😀\u2028 "\\/\b\f\n\r\t\u0000\u001f${'x'.repeat(i % 50 === 0 ? 20_000 : i % 17)}`;
    const order: number[] = [];
    const kinds = [
      async (i: number) => expect((await agent.execute({ command: 'echo', args: [text(i), ''] }).result).output).toBe(`${text(i)} `),
      async (i: number) => {
        const parts: string[] = [];
        for await (const update of agent.execute({ command: 'stream', args: [text(i), '', 'end'], taskId: `task ${i} ✓` }))
          if (update.status === 'running') parts.push(update.output!);
        expect(parts).toEqual([text(i), '', 'end']);
      },
      async (i: number) => {
        const env = JSON.parse(`{"__proto__":"p","${i}":${JSON.stringify(text(i))},"a":""}`) as Record<string, string>;
        const pairs = [
          ['__proto__', 'p'],
          [String(i), text(i)],
          ['a', ''],
        ].map(pair => pair.join('='));
        expect((await agent.execute({ command: 'env', env }).result).output?.split('\n').length).toBeGreaterThanOrEqual(3);
        expect((await agent.execute({ command: 'env', env: { only: text(i) } }).result).output).toBe(`only=${text(i)}`);
        expect(pairs.length).toBe(3);
      },
      async (i: number) =>
        expect(await failureOf(agent.execute({ command: 'fail', args: [text(i)] }).result)).toMatchObject({ exitCode: -3, error: text(i) }),
    ];
    let next = 0;
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (next < 1_000) {
          const i = next++;
          await kinds[i % kinds.length]!(i);
          order.push(i);
        }
      }),
    );
    expect(order.length).toBe(1_000);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    const [sent, returned] = (await agent.execute({ command: 'beats' }).result).output!.split(' ').map(Number);
    // The one that may go out with this very answer is still on its way.
    expect(sent).toBeGreaterThan(100);
    expect(sent! - returned!).toBeLessThanOrEqual(8);
    expect(await agent.stop()).toMatchObject({ code: 0, reason: 'stopped' });
  },
  120_000,
);

// The containment of an instance, for the options of its spec and the abilities of the system.
import { expect, test } from 'vitest';
import type { ParsedSpec } from '../../src/option-schemas.ts';
import { contain } from '../../src/process/containment/containment.ts';

function on({ tree = 'cookie', works = true }: { tree?: string; works?: boolean } = {}) {
  const asked: unknown[] = [];
  const namespace = { works, why: works ? '' : 'no right to' };
  const programs = {
    tree,
    async namespace(environment: unknown) {
      asked.push(environment);
      return namespace;
    },
  };
  const of = (spec: Partial<ParsedSpec>) =>
    contain({ artifactId: 'a', ...spec } as ParsedSpec, programs as never, { PATH: '/bin', SECRET: 's' });
  const refused = (spec: Partial<ParsedSpec>) =>
    of(spec).then(
      () => 'contained',
      ({ code, message }) => `${code}: ${message}`,
    );
  return { asked, namespace, of, refused };
}

test('without options no namespace is created', async () => {
  const { of, asked } = on();
  expect(await of({})).toEqual({
    containment: { tree: 'cookie', diesWithHost: false, memory: 'unlimited' },
    namespace: null,
    lacking: null,
  });
  expect(await of({ requireContainment: { tree: 'cookie' } })).toMatchObject({ containment: { tree: 'cookie' } });
  expect(asked).toEqual([]);
});

test('a namespace is tried where the spec asks for or requires it, with a clean environment', async () => {
  const wishes = [
    { containment: 'namespace' },
    { requireContainment: { tree: 'namespace' } },
    { requireContainment: { diesWithHost: true } },
  ];
  for (const wish of wishes) {
    const { of, asked, namespace } = on();
    expect(await of(wish as never)).toEqual({
      containment: { tree: 'namespace', diesWithHost: true, memory: 'unlimited' },
      namespace,
      lacking: null,
    });
    expect(asked.map(each => ({ ...(each as object) }))).toEqual([{ PATH: '/bin' }]);
  }
});

test('where namespaces are not permitted, `containment` falls back and says why, and a requirement rejects the start', async () => {
  const { of, refused } = on({ works: false });
  expect(await of({ containment: 'namespace' })).toEqual({
    containment: { tree: 'cookie', diesWithHost: false, memory: 'unlimited' },
    namespace: null,
    lacking: 'no right to',
  });
  const because = '(a namespace is not available here: no right to)';
  expect(await refused({ requireContainment: { diesWithHost: true } })).toBe(
    `CONTAINMENT_UNAVAILABLE: a is not started: its processes would outlive a host that is killed ${because}`,
  );
  expect(await refused({ requireContainment: { tree: 'namespace', diesWithHost: true } })).toBe(
    `CONTAINMENT_UNAVAILABLE: a is not started: the containment of the tree is 'cookie', not 'namespace'; its processes would outlive a host that is killed ${because}`,
  );
});

test('a requirement that holds without a namespace creates none', async () => {
  const { of } = on();
  expect(await of({ requireContainment: { diesWithHost: false } })).toMatchObject({ containment: { diesWithHost: false } });
  expect(await of({ requireContainment: { tree: 'group' } })).toMatchObject({ containment: { diesWithHost: false } });
});

test('memory is sampled where there is a limit and the processes can be found', async () => {
  const memory = async (tree: string, spec: Partial<ParsedSpec>) => (await on({ tree }).of(spec)).containment.memory;
  expect([await memory('cookie', { maxMemory: 1 }), await memory('group', { maxMemory: 1 }), await memory('cookie', {})]).toEqual([
    'sampled',
    'unlimited',
    'unlimited',
  ]);
  const sampled = { requireContainment: { memory: 'sampled' } } as const;
  expect(await on().refused(sampled)).toMatch(/its memory is unlimited, since there is no maxMemory$/);
  expect(await on({ tree: 'group' }).refused({ ...sampled, maxMemory: 1 })).toMatch(/its memory is unlimited$/);
  expect(await on().refused({ ...sampled, maxMemory: 1 })).toBe('contained');
});

test('a tree found by its group alone does not meet a requirement of the cookie', async () => {
  expect(await on({ tree: 'group' }).refused({ requireContainment: { tree: 'cookie' } })).toMatch(/is 'group', not 'cookie'$/);
  expect(await on({ tree: 'group' }).refused({ requireContainment: { tree: 'group' } })).toBe('contained');
});

// The committed drawings: fresh and whole. Measured on the files as they are, against the machines as XState holds them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import { drawingsOf, machines, overview } from '../../visualizations/drawings.ts';
import { type Box, isInside, overlap, readDrawing } from './svg.ts';

const folder = join(import.meta.dirname, '../../visualizations');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

test('every drawing is of a machine that exists', () => {
  const drawn = readdirSync(folder).filter(name => /\.(svg|mmd|json)$/.test(name));
  expect(drawn.sort()).toEqual([overview, ...machines.flatMap(({ id }) => [`${id}.json`, `${id}.mmd`, `${id}.svg`])].sort());
});

describe.each(machines.map(machine => ({ id: machine.id, machine })))('$id', ({ id, machine }) => {
  const svg = read(`${id}.svg`);
  const drawing = readDrawing(svg);
  const nodes = [machine.root, ...getStateNodes(machine)] as AnyStateNode[];
  const transitions = nodes.flatMap(node =>
    [...node.transitions, ...(node.always?.length ? [['always', node.always] as const] : [])].flatMap(([descriptor, group]) =>
      group.map((transition: AnyTransitionDefinition, index: number) => ({
        edge: `${node.id}/${descriptor}/${index}`,
        descriptor,
        node,
        transition,
      })),
    ),
  );

  // In the form of the committed drawing. `npm run draw` tries many forms and takes the one that reads best.
  test('is what `npm run draw` writes now', async () => {
    for (const [name, content] of Object.entries(await drawingsOf(machine, read)))
      expect(read(name) === content, `${name} is stale: run \`npm run draw\` and commit what it writes`).toBe(true);
  }, 60_000);

  test('shows every state once, each child within its parent and apart from its siblings', () => {
    expect([...drawing.cards.keys()].sort()).toEqual(nodes.map(node => node.id).sort());
    expect(drawing.cardCount).toBe(nodes.length);
    const card = (node: AnyStateNode) => drawing.cards.get(node.id)!;
    for (const node of nodes) {
      if (node.parent) expect({ id: node.id, inside: isInside(card(node), card(node.parent)) }).toEqual({ id: node.id, inside: true });
      for (const sibling of Object.values(node.parent?.states ?? {}))
        if (sibling !== node)
          expect({ id: node.id, sibling: sibling.id, apart: !overlap(card(node), card(sibling)) }).toMatchObject({ apart: true });
    }
  });

  test('shows every transition: its event, guard and actions, from its source to its target', () => {
    const shown = new Set(
      [...drawing.routes, ...drawing.labels].flatMap(({ edges }) => edges).concat(drawing.texts.flatMap(({ edge }) => edge ?? [])),
    );
    expect([...shown].sort()).toEqual(transitions.map(({ edge }) => edge).sort());
    for (const { edge, descriptor, node, transition } of transitions) {
      const texts = drawing.texts.filter(text => text.edge === edge);
      const words = texts.map(({ content }) => content).join(' ');
      const routes = drawing.routes.filter(route => route.edges.includes(edge));
      for (const name of [wordOf(descriptor), ...namesOf([transition.guard]), ...namesOf(transition.actions)])
        for (const told of [words, ...routes.map(({ title }) => title)]) expect(told, edge).toContain(name);
      expect({ edge, routes: routes.length }).toEqual({ edge, routes: transition.target?.length ?? 0 });
      if (routes.length === 0) for (const text of texts) expect(isInside(text, drawing.cards.get(node.id)!), edge).toBe(true);
      for (const [index, { points }] of routes.entries()) {
        const source = drawing.cards.get(node.id)!;
        const ring = drawing.rings.some(box => touches(points[0]!, box) && isInside(box, source));
        expect(ring || onBorder(points[0]!, source), `${edge} begins at its source`).toBe(true);
        expect(onBorder(points.at(-1)!, drawing.cards.get(transition.target![index]!.id)!), `${edge} ends at its target`).toBe(true);
      }
    }
  });

  test('says what its states do: description, invokes, tags, entry and exit actions', () => {
    for (const node of nodes) {
      const card = drawing.cards.get(node.id)!;
      const words = drawing.texts
        .filter(text => isInside(text, card))
        .map(({ content }) => content)
        .join(' ');
      const names = [...namesOf(node.entry), ...namesOf(node.exit), ...node.tags, ...node.invoke.map(({ id: name }) => name)];
      for (const name of [node.key, (node.description ?? '').replaceAll('`', ''), ...names]) expect(words, node.id).toContain(name);
    }
    expect(svg).not.toMatch(/xstate\.(raise|cancel)/);
  });

  test('final states have a double border, regions that run at once a dashed one', () => {
    for (const node of nodes) {
      const { classes } = drawing.cards.get(node.id)!;
      expect({ id: node.id, final: classes.includes('final') }).toEqual({ id: node.id, final: node.type === 'final' });
      expect({ id: node.id, region: classes.includes('region') }).toEqual({ id: node.id, region: node.parent?.type === 'parallel' });
    }
    const finals = nodes.filter(node => node.type === 'final').length;
    expect(svg.match(/class="inner"/g) ?? []).toHaveLength(finals === 0 ? 0 : finals + 1); // and one in the legend
    for (const [region] of svg.matchAll(/<rect [^>]*class="card (leaf )?region"[^>]*>/g)) expect(region).toMatch(/ stroke-dasharray="\d/);
  });

  test('every edge has the line of its kind', () => {
    for (const { edge, descriptor, node } of transitions)
      for (const route of drawing.routes)
        if (route.edges.includes(edge)) expect({ edge, kind: route.kind }).toEqual({ edge, kind: kindOf(node, descriptor) });
  });
});

function kindOf(node: AnyStateNode, descriptor: string): string {
  if (descriptor === 'always') return 'always';
  if (node.after.some(({ eventType }) => eventType === descriptor)) return 'timeout';
  return /^xstate\.(done|error)\./.exec(descriptor)?.[1] ?? 'event';
}

/** What has to be read of an event: of XState's own the delay or the actor. */
function wordOf(descriptor: string): string {
  const [, word] =
    /^xstate\.(?:after\.([^.]+)\..*|(done)\.state\..*|(?:done|error)\.actor\.([^.*]+))$/
      .exec(descriptor)
      ?.filter(each => each !== undefined) ?? [];
  return word ?? /^xstate\.(done|error)\./.exec(descriptor)?.[1] ?? descriptor;
}

function namesOf(references: readonly unknown[]): string[] {
  return references.flatMap(reference => {
    if (typeof reference === 'string') return reference;
    const { type } = (reference ?? {}) as { type?: string };
    return type === undefined || type.startsWith('xstate.') ? [] : type;
  });
}

function touches(point: { x: number; y: number }, box: Box): boolean {
  return point.x >= box.x - 2 && point.x <= box.x + box.width + 2 && point.y >= box.y - 2 && point.y <= box.y + box.height + 2;
}

function onBorder(point: { x: number; y: number }, box: Box): boolean {
  const near = (a: number, b: number) => Math.abs(a - b) <= 2;
  return (
    touches(point, box) &&
    (near(point.x, box.x) || near(point.x, box.x + box.width) || near(point.y, box.y) || near(point.y, box.y + box.height))
  );
}

// The overview shows the instance in the states that callers see: every transition of the chart that leads from one of them
// to another, and no others. What stands for what is worked out here anew, from the chart as XState holds it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AnyStateNode } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import { instanceMachine } from '../../machines/index.ts';
import { stateOf } from '../../src/instance/instance.ts';
import { overview } from '../../visualizations/drawings.ts';
import { readDrawing } from './svg.ts';

const svg = readFileSync(join(import.meta.dirname, '../../visualizations', overview), 'utf8');
const drawing = readDrawing(svg);

/** What is drawn, as "from event to": of a group for each of its members. */
const parents = new Map([...drawing.cards.keys()].map(id => [id.split('.').at(-1)!, id]));
const groups: Record<string, string[]> = {
  connecting: ['listening', 'authenticating'],
  connected: ['ready', 'executing'],
  started: ['listening', 'authenticating', 'ready', 'executing', 'reconnecting'],
};

const nodes = [instanceMachine.root, ...getStateNodes(instanceMachine)] as AnyStateNode[];
const leavesOf = (node: AnyStateNode): AnyStateNode[] =>
  Object.keys(node.states).length === 0 ? [node] : Object.values(node.states).flatMap(child => leavesOf(child as AnyStateNode));
const beginningOf = (node: AnyStateNode): AnyStateNode =>
  node.type === 'compound' ? beginningOf(node.initial.target![0] as AnyStateNode) : node;
const publicOf = (node: AnyStateNode): string =>
  stateOf(node.path.reduceRight<unknown>((inner, key) => (inner === undefined ? key : { [key]: inner }), undefined));

test('shows the nine states of the contract, each once, and the groups of the chart around them', () => {
  const states = ['allocating', 'listening', 'authenticating', 'ready', 'executing', 'reconnecting', 'stopping', 'backoff', 'stopped'];
  expect([...parents.keys()].sort()).toEqual(['instance', ...Object.keys(groups), ...states].sort());
  expect(drawing.cardCount).toBe(states.length + 4);
});

test('shows whatever leads from one of them to another, and nothing else', () => {
  const drawn = new Set(
    drawing.routes.flatMap(({ title }) =>
      title.split('\n').flatMap(line => {
        const [, source, target, event] = /^(\S+) → (\S+): ([^[/]+)/.exec(line)!;
        const [from, to] = [source, target].map(id => id!.split('.').at(-1)!) as [string, string];
        return (groups[from] ?? [from]).flatMap(each => (each === to ? [] : `${each} ${event!.trim()} ${to}`));
      }),
    ),
  );
  const should = new Set<string>();
  for (const node of nodes) {
    const taken = [...node.transitions, ...(node.always?.length ? [['always', node.always] as const] : [])];
    for (const [descriptor, group] of taken) {
      if (descriptor.startsWith('xstate.error.')) continue;
      for (const { target } of group) {
        if (target?.[0] === undefined) continue;
        const to = publicOf(beginningOf(target[0] as AnyStateNode));
        // A state is done when it has reached its final state.
        const leaves = descriptor.startsWith('xstate.done.state') ? leavesOf(node).filter(leaf => leaf.type === 'final') : leavesOf(node);
        const event = /^xstate\.after\.([^.]+)/.exec(descriptor)?.[1];
        const word = event === undefined ? (descriptor.startsWith('xstate.done') ? 'done' : descriptor) : `after ${event}`;
        for (const leaf of leaves) if (publicOf(leaf) !== to) should.add(`${publicOf(leaf)} ${word} ${to}`);
      }
    }
  }
  expect([...drawn].sort()).toEqual([...should].sort());
});

test('fits one screen', () => {
  expect(drawing.canvas.width).toBeLessThanOrEqual(940);
  expect(drawing.canvas.height).toBeLessThanOrEqual(1_110);
});

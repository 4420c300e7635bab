// The Mermaid texts, read as Mermaid reads them: line by line, states in states, arrows between names that exist.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { getStateNodes } from 'xstate/graph';
import { machines } from '../../visualizations/drawings.ts';

const folder = join(import.meta.dirname, '../../visualizations');

describe.each(machines.map(machine => ({ id: machine.id, machine })))('$id', ({ id, machine }) => {
  const [head, ...lines] = readFileSync(join(folder, `${id}.mmd`), 'utf8')
    .trimEnd()
    .split('\n');
  const nodes = [machine.root, ...getStateNodes(machine)];
  const keyOf = (name: string) => name.replaceAll(/[^A-Za-z0-9]/g, '_');
  const declared = lines.flatMap(line => /^ *state "[^"]+" as (\w+)( \{)?$/.exec(line)?.[1] ?? []);
  const arrows = lines.flatMap(line => {
    const found = /^ *(\w+|\[\*\]) --> (\w+|\[\*\])(?: : (.+))?$/.exec(line);
    return found ? { from: found[1]!, to: found[2]!, label: found[3] ?? '' } : [];
  });

  test('holds lines of the language only, with every brace closed', () => {
    expect(head).toBe('stateDiagram-v2');
    const known = /^ *(state "[^"]+" as \w+( \{)?|\}|--|(\w+|\[\*\]) --> (\w+|\[\*\])( : [^;:#"{}<>%]+)?|%% .+)$/;
    expect(lines.filter(line => !known.test(line))).toEqual([]);
    let depth = 0;
    for (const line of lines) {
      depth += line.endsWith('{') ? 1 : line.trim() === '}' ? -1 : 0;
      expect(depth).toBeGreaterThanOrEqual(0);
    }
    expect(depth).toBe(0);
  });

  test('names every state once, within its parent', () => {
    expect(declared.filter(key => !key.endsWith('__anywhere')).sort()).toEqual(nodes.map(node => keyOf(node.id)).sort());
    const open: string[] = [];
    for (const line of lines) {
      const key = /^ *state "[^"]+" as (\w+)/.exec(line)?.[1];
      const node = nodes.find(each => keyOf(each.id) === key);
      if (node) expect({ key, parent: open.at(-1) }).toEqual({ key, parent: node.parent ? keyOf(node.parent.id) : undefined });
      if (line.endsWith('{')) open.push(key!);
      if (line.trim() === '}') open.pop();
    }
  });

  test('its arrows lead from and to states that are named, one for every target of every transition', () => {
    expect(arrows.flatMap(({ from, to }) => [from, to]).filter(key => key !== '[*]' && !declared.includes(key))).toEqual([]);
    const targets = nodes
      .flatMap(node => [...[...node.transitions.values()].flat(), ...(node.always ?? [])])
      .map(({ target }) => target ?? []);
    const drawn = arrows.filter(({ label }) => label !== '').map(({ to }) => to);
    expect(drawn.sort()).toEqual(
      targets
        .flat()
        .map(node => keyOf(node.id))
        .sort(),
    );
    expect(lines.filter(line => line.includes('%% within')).length).toBe(targets.filter(each => each.length === 0).length);
  });

  test('every parent says where it begins, every guard and timeout is named', () => {
    const starts = arrows.filter(({ from }) => from === '[*]').map(({ to }) => to);
    expect(starts.sort()).toEqual(
      nodes
        .flatMap(node => (node.type === 'compound' ? (node.initial.target ?? []) : []))
        .map(node => keyOf(node.id))
        .sort(),
    );
    const text = lines.join('\n');
    for (const node of nodes) {
      for (const { delay } of node.after) expect(text).toContain(`after ${delay}`);
      for (const { guard } of [...[...node.transitions.values()].flat(), ...(node.always ?? [])])
        if (guard) expect(text).toContain(`[${typeof guard === 'string' ? guard : (guard as { type: string }).type}]`);
    }
  });
});

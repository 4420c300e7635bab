// What the heap has gained between two moments: how many bytes, by the kind of object, and by the path that holds it.
import { getHeapSnapshot } from 'node:v8';

async function takeSnapshot() {
  const chunks = [];
  for await (const chunk of getHeapSnapshot()) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks.map(chunk => Buffer.from(chunk))).toString());
}

/** Objects of the heap have odd ids, those of the embedder even ones. */
const isOfHeap = id => id % 2 === 1;

/** The highest id of a heap object so far: objects that are made later have higher ids. */
export async function mark() {
  const { snapshot, nodes } = await takeSnapshot();
  const { node_fields: fields } = snapshot.meta;
  const id = fields.indexOf('id');
  let highest = 0;
  for (let at = id; at < nodes.length; at += fields.length) if (isOfHeap(nodes[at])) highest = Math.max(highest, nodes[at]);
  return highest;
}

/** Keys that differ from instance to instance are shown as one. */
const shown = name =>
  String(name)
    .replaceAll(/[\w.-]*[0-9a-f]{16}[\w.-]*/g, '<id>')
    .replaceAll(/\d+/g, 'n');

/** The objects that are younger than `since`: their bytes by kind, and by the shortest path from the root (also those of its parts). */
export async function growth(since, depth) {
  const { snapshot, nodes, edges, strings } = await takeSnapshot();
  const { node_fields: nodeFields, node_types: nodeTypes, edge_fields: edgeFields, edge_types: edgeTypes } = snapshot.meta;
  const [N, E] = [nodeFields.length, edgeFields.length];
  const of = Object.fromEntries(nodeFields.map((field, n) => [field, n]));
  const count = nodes.length / N;
  const firstEdge = new Uint32Array(count + 1);
  for (let n = 0; n < count; n += 1) firstEdge[n + 1] = firstEdge[n] + nodes[n * N + of.edge_count];
  const kindOf = n => {
    const type = nodeTypes[0][nodes[n * N + of.type]];
    const name = strings[nodes[n * N + of.name]];
    return ['string', 'concatenated string', 'sliced string', 'number', 'bigint', 'code', 'array'].includes(type)
      ? `(${type})`
      : shown(name || `(${type})`);
  };
  // A tree by breadth-first search: each object belongs to the path that is the shortest.
  const path = new Array(count).fill(null);
  path[0] = '';
  let wave = [0];
  const levels = new Uint16Array(count);
  while (wave.length > 0) {
    const next = [];
    for (const n of wave) {
      for (let e = firstEdge[n]; e < firstEdge[n + 1]; e += 1) {
        const type = edgeTypes[0][edges[e * E]];
        if (type === 'weak') continue;
        const to = edges[e * E + 2] / N;
        if (path[to] !== null) continue;
        const name = type === 'element' || type === 'hidden' ? '[]' : shown(strings[edges[e * E + 1]]);
        levels[to] = levels[n] + 1;
        path[to] = `${path[n]}.${name}`;
        next.push(to);
      }
    }
    wave = next;
  }
  const kinds = new Map();
  const paths = new Map();
  const add = (map, key, bytes) => {
    const entry = map.get(key) ?? { bytes: 0, count: 0 };
    entry.bytes += bytes;
    entry.count += 1;
    map.set(key, entry);
  };
  let total = 0;
  for (let n = 0; n < count; n += 1) {
    const bytes = nodes[n * N + of.self_size];
    const id = nodes[n * N + of.id];
    if (!isOfHeap(id) || id <= since || bytes === 0 || path[n] === null) continue;
    total += bytes;
    add(kinds, kindOf(n), bytes);
    const parts = path[n].split('.');
    for (let d = 1; d <= Math.min(depth, parts.length); d += 1) add(paths, parts.slice(0, d).join('.'), bytes);
  }
  const sorted = map => [...map].map(([name, entry]) => ({ name, ...entry })).sort((a, b) => b.bytes - a.bytes);
  return { total, kinds: sorted(kinds), paths: sorted(paths) };
}

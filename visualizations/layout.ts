// Where everything stands: a chart's cards, edges and labels are given to ELK, which answers with places in whole pixels.
import ElkConstructor, { type ElkExtendedEdge, type ElkNode, type LayoutOptions } from 'elkjs/lib/elk.bundled.js';
import { cardLines, type Edge, edgesOf, isInCard, labelLines } from './card.ts';
import { type Chart, isWithin, type State, statesOf } from './chart.ts';
import { blockSize, type Line } from './text.ts';

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
export interface Point {
  readonly x: number;
  readonly y: number;
}
export interface Card extends Box {
  readonly state: State;
  readonly lines: readonly Line[];
}
export interface Route {
  readonly edge: Edge;
  readonly points: readonly Point[];
  readonly label: (Box & { readonly lines: readonly Line[] }) | null;
}
export interface Layout {
  readonly form: Form;
  readonly width: number;
  readonly height: number;
  /** A parent before its children. */
  readonly cards: readonly Card[];
  /** Where a state begins. */
  readonly dots: readonly Box[];
  /** From where a transition of a whole state leads to one within it. */
  readonly rings: readonly Box[];
  readonly routes: readonly Route[];
  readonly initials: readonly (readonly Point[])[];
}

export interface Form {
  readonly cardWidth: number;
  readonly labelWidth: number;
  /** Little space between things; transitions by which a whole group is left have labels like all others. */
  readonly compact: boolean;
  /** ELK starts from chance; the same seed gives the same layout. */
  readonly seed: number;
}

/** The form of a drawing as its file names it, and back: who only checks a drawing lays the chart out in that form alone. */
export const formText = ({ cardWidth, labelWidth, compact, seed }: Form): string =>
  `${cardWidth} ${labelWidth} ${compact ? 'compact' : 'wide'} ${seed}`;
export function formOf(svg: string): Form {
  const [cardWidth, labelWidth, density, seed] = /data-form="([^"]*)"/.exec(svg)![1]!.split(' ');
  return { cardWidth: Number(cardWidth), labelWidth: Number(labelWidth), compact: density === 'compact', seed: Number(seed) };
}

export const padding = { x: 10, y: 8 } as const;
const dot = 10;
/** So that a small chart leaves room for its legend. */
const rootWidth = 500;

export async function layOut(chart: Chart, form: Form): Promise<Layout> {
  // A parent's text is as wide as its children make it, which is known only once they stand: so it is laid out twice.
  const first = await place(chart, form, new Map());
  const widths = new Map(first.cards.filter(card => card.state.states.length > 0).map(card => [card.state.id, card.width]));
  return place(chart, form, widths);
}

async function place(chart: Chart, form: Form, widths: ReadonlyMap<string, number>): Promise<Layout> {
  // ELK hands no option down: every parent gets them all.
  const options = { ...layoutOptions, ...(form.compact ? compactOptions : {}), 'elk.randomSeed': String(form.seed) };
  const lines = new Map<string, Line[]>();
  const labels = new Map<string, Line[]>();
  const edges = edgesOf(chart.transitions);
  const sources = new Map(statesOf(chart.root).map(state => [state.id, state]));
  const nodeOf = (state: State): ElkNode => {
    const told = chart.transitions.filter(each => each.source === state.id && isInCard(state, each, !form.compact));
    const own = cardLines(
      state,
      told,
      Math.max(state === chart.root ? rootWidth : form.cardWidth, (widths.get(state.id) ?? 0) - 2 * padding.x),
    );
    lines.set(state.id, own);
    const text = blockSize(own);
    const size = { width: Math.max(text.width + 2 * padding.x, state === chart.root ? rootWidth : 0), height: text.height + 2 * padding.y };
    // Edges of one kind into one state end at one place, and may share the last of their way.
    const kinds = [...new Set(edges.filter(({ target }) => target === state.id).map(({ kind }) => kind))];
    const ports = kinds.map(kind => ({ id: `${kind} ${state.id}`, width: 0, height: 0 }));
    if (state.states.length === 0) return { id: state.id, ports, ...size };
    const start = state.initial === null ? [] : [{ id: `initial ${state.id}`, width: dot, height: dot }];
    if (edges.some(edge => edge.source === state.id && isWithin(edge.target, state.id)))
      start.push({ id: `ring ${state.id}`, width: dot, height: dot });
    return {
      id: state.id,
      ports,
      children: [...start, ...state.states.map(nodeOf)],
      layoutOptions: {
        ...options,
        'elk.padding': form.compact
          ? `[top=${size.height},left=10,bottom=8,right=10]`
          : `[top=${size.height + 8},left=14,bottom=14,right=14]`,
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        // Width and height change places here: ELK lays out downwards by turning everything, and forgets to turn this.
        'elk.nodeSize.minimum': `(${size.height},${size.width})`,
      },
    };
  };
  const root = nodeOf(chart.root);
  const elkEdges: ElkExtendedEdge[] = edges.map(edge => {
    const own = isInCard(sources.get(edge.source)!, edge.transitions[0]!, !form.compact) ? [] : labelLines(edge, form.labelWidth);
    labels.set(edge.id, own);
    const { width, height } = blockSize(own);
    const text = { text: edge.id, width: width + 12, height: height + 6, layoutOptions: { 'elk.edgeLabels.inline': 'true' } };
    return {
      id: edge.id,
      sources: [isWithin(edge.target, edge.source) ? `ring ${edge.source}` : edge.source],
      targets: [`${edge.kind} ${edge.target}`],
      labels: own.length === 0 ? [] : [text],
    };
  });
  // Regions that run at once have no edges between them: these, which are not drawn, make them stand one below another.
  for (const { type, states } of statesOf(chart.root))
    for (const [index, { id }] of type === 'parallel' ? states.slice(1).entries() : [])
      elkEdges.push({ id: `below ${id}`, sources: [states[index]!.id], targets: [id] });
  for (const { id, initial } of statesOf(chart.root))
    if (initial !== null) elkEdges.push({ id: `start ${id}`, sources: [`initial ${id}`], targets: [initial] });
  // The constructor's type is that of a module with a default, its value the default itself.
  const Elk = ElkConstructor as unknown as typeof ElkConstructor.default;
  const placed = await new Elk().layout({
    id: '',
    layoutOptions: options,
    children: [root],
    edges: elkEdges,
  });
  return read(form, placed, statesOf(chart.root), edges, lines, labels);
}

const compactOptions: LayoutOptions = {
  'elk.spacing.edgeEdge': '7',
  'elk.layered.spacing.nodeNodeBetweenLayers': '7',
  'elk.layered.spacing.edgeNodeBetweenLayers': '6',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '6',
};

const layoutOptions: LayoutOptions = {
  'elk.algorithm': 'layered',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.direction': 'DOWN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.json.edgeCoords': 'ROOT',
  'elk.json.shapeCoords': 'ROOT',
  'elk.padding': '[top=0,left=0,bottom=0,right=0]',
  'elk.spacing.nodeNode': '16',
  'elk.spacing.edgeNode': '12',
  'elk.spacing.edgeEdge': '10',
  'elk.spacing.edgeLabel': '2',
  'elk.layered.spacing.nodeNodeBetweenLayers': '18',
  'elk.layered.spacing.edgeNodeBetweenLayers': '12',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '9',
  'elk.layered.cycleBreaking.strategy': 'DEPTH_FIRST',
  'elk.layered.nodePlacement.strategy': 'LINEAR_SEGMENTS',
  'elk.layered.edgeLabels.centerLabelPlacementStrategy': 'TAIL_LAYER',
};

function read(
  form: Form,
  placed: ElkNode,
  states: readonly State[],
  edges: readonly Edge[],
  lines: ReadonlyMap<string, Line[]>,
  labels: ReadonlyMap<string, Line[]>,
): Layout {
  const boxes = new Map<string, Box>();
  const visit = (node: ElkNode): void => {
    boxes.set(node.id, boxOf(node));
    node.children?.forEach(visit);
  };
  visit(placed);
  const routes = new Map((placed.edges ?? []).map(edge => [edge.id, edge]));
  return {
    form,
    width: Math.ceil(placed.width ?? 0),
    height: Math.ceil(placed.height ?? 0),
    cards: states.map(state => ({ ...boxes.get(state.id)!, state, lines: lines.get(state.id)! })),
    dots: states.filter(({ initial }) => initial !== null).map(({ id }) => boxes.get(`initial ${id}`)!),
    rings: states.map(({ id }) => boxes.get(`ring ${id}`)).filter(box => box !== undefined),
    routes: edges.map(edge => {
      const found = routes.get(edge.id)!;
      const label = found.labels?.[0];
      return { edge, points: pointsOf(found), label: label ? { ...boxOf(label), lines: labels.get(edge.id)! } : null };
    }),
    initials: states.filter(({ initial }) => initial !== null).map(({ id }) => pointsOf(routes.get(`start ${id}`)!)),
  };
}

function boxOf({ x = 0, y = 0, width = 0, height = 0 }: { x?: number; y?: number; width?: number; height?: number }): Box {
  return { x: Math.round(x), y: Math.round(y), width: Math.ceil(width), height: Math.ceil(height) };
}

function pointsOf(edge: ElkExtendedEdge): Point[] {
  const section = edge.sections?.[0];
  if (!section) throw new Error(`no way was found for ${edge.id}`);
  return [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(({ x, y }) => ({ x: Math.round(x), y: Math.round(y) }));
}

// Lays a chart out in several ways and takes the one that reads best in a README: narrow enough to be shown in full size,
// with few lines that run behind text, and short.
import type { Chart } from './chart.ts';
import { type Box, type Form, type Layout, layOut, type Point, padding } from './layout.ts';
import { heightOf, type Line, widthOf } from './text.ts';

/** GitHub shows a README 830 to 1000 px wide; at this width and its margins 12 px letters are shown no smaller than 10 px. */
const widest = 940;

const widths: Omit<Form, 'seed' | 'compact'>[] = [
  { cardWidth: 240, labelWidth: 170 },
  { cardWidth: 200, labelWidth: 170 },
  { cardWidth: 170, labelWidth: 150 },
  { cardWidth: 140, labelWidth: 130 },
];

/** So many seeds are tried in any case, and so many as long as nothing is narrow enough. */
const seeds = { least: 2, most: 16 } as const;

export async function choose(chart: Chart, compact = false): Promise<Layout> {
  let best: { layout: Layout; cost: number } | null = null;
  for (let seed = 1; seed <= seeds.least || (seed <= seeds.most && best!.layout.width > widest); seed += 1)
    for (const width of widths) {
      const layout = await layOut(chart, { ...width, compact, seed });
      const cost = layout.height + 100 * Math.max(0, layout.width - widest) + 120 * crossings(layout);
      if (best === null || cost < best.cost) best = { layout, cost };
    }
  return best!.layout;
}

/** How many times an edge runs behind text that is not its own. */
export function crossings({ cards, routes }: Layout): number {
  const texts = [
    ...cards.flatMap(card => boxesOf(card.lines, card.x + padding.x, card.y + padding.y).map(box => ({ box, owner: card.state.id }))),
    ...routes.flatMap(({ edge, label }) => (label ? [{ box: label as Box, owner: edge.id }] : [])),
  ];
  let count = 0;
  for (const { edge, points } of routes)
    for (const { box, owner } of texts)
      for (let index = 1; index < points.length; index += 1)
        if (owner !== edge.id && meets(points[index - 1]!, points[index]!, box)) count += 1;
  return count;
}

export function boxesOf(lines: readonly Line[], x: number, top: number): Box[] {
  let y = top;
  return lines.map(line => {
    const box = { x: x + line.indent, y, width: widthOf(line), height: heightOf(line) };
    y += box.height;
    return box;
  });
}

/** For lines that run straight down or across. */
function meets(from: Point, to: Point, box: Box): boolean {
  return (
    Math.max(from.x, to.x) > box.x &&
    Math.min(from.x, to.x) < box.x + box.width &&
    Math.max(from.y, to.y) > box.y &&
    Math.min(from.y, to.y) < box.y + box.height
  );
}

// Reads a drawing back: its cards, labels, texts and edges with the places they really have on the canvas.
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
export interface Text extends Box {
  readonly content: string;
  readonly size: number;
  /** The transition it tells of. */
  readonly edge: string | null;
}
export interface Route {
  readonly kind: string;
  readonly title: string;
  readonly edges: readonly string[];
  readonly points: readonly { readonly x: number; readonly y: number }[];
}
export interface Drawing {
  readonly canvas: Box;
  readonly cards: ReadonlyMap<string, Box & { readonly classes: readonly string[] }>;
  readonly cardCount: number;
  readonly labels: readonly (Box & { readonly edges: readonly string[] })[];
  readonly texts: readonly Text[];
  readonly routes: readonly Route[];
  readonly rings: readonly Box[];
}

export function readDrawing(svg: string): Drawing {
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number) as [number, number, number];
  const [, dx, dy] = /<g transform="translate\((\d+) (\d+)\)">/.exec(svg)!.map(Number) as [number, number, number];
  const [legend, chart] = svg.split(/<g transform="translate[^>]*>/) as [string, string];
  const cards = [...chart.matchAll(/<rect data-state="([^"]+)" class="([^"]+)"([^>]*)>/g)];
  return {
    canvas: { x: 0, y: 0, width, height },
    cards: new Map(cards.map(([, id, classes, rest]) => [id!, { ...boxOf(rest!, dx, dy), classes: classes!.split(' ') }])),
    cardCount: cards.length,
    labels: [...chart.matchAll(/<g class="edge \w+" data-edge="([^"]+)"><rect([^>]*)>/g)].map(([, edges, rest]) => ({
      ...boxOf(rest!, dx, dy),
      edges: edges!.split(' '),
    })),
    texts: [...textsOf(legend, 0, 0), ...textsOf(chart, dx, dy)],
    routes: [
      ...chart.matchAll(
        /<g class="edge (\w+)" data-edge="([^"]+)"><title>([^<]+)<\/title><path d="M([^"]+)" marker-end="url\(#[\w-]+?-to-(\w+)\)"/g,
      ),
    ].map(([, kind, edges, title, path, arrow]) => ({
      title: title!,
      kind: kind === arrow ? kind! : `${kind} with the arrow of ${arrow}`,
      edges: edges!.split(' '),
      points: path!.split('L').map(point => {
        const [x, y] = point.split(' ').map(Number) as [number, number];
        return { x: x + dx, y: y + dy };
      }),
    })),
    rings: [...chart.matchAll(/<circle class="ring" cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"/g)].map(([, cx, cy, r]) => ({
      x: Number(cx) - Number(r) + dx,
      y: Number(cy) - Number(r) + dy,
      width: 2 * Number(r),
      height: 2 * Number(r),
    })),
  };
}

function textsOf(part: string, dx: number, dy: number): Text[] {
  return [...part.matchAll(/<text([^>]*)>([^<]*)<\/text>/g)].map(([, rest, escaped]) => {
    const content = escaped!.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
    const size = numberOf(rest!, 'font-size');
    return {
      content,
      size,
      edge: /data-edge="([^"]+)"/.exec(rest!)?.[1] ?? null,
      x: numberOf(rest!, 'x') + dx,
      y: numberOf(rest!, 'y') + dy - 0.8 * size,
      // No usual sans-serif font is wider.
      width: 0.6 * size * [...content].length,
      height: 1.05 * size,
    };
  });
}

function boxOf(attributes: string, dx: number, dy: number): Box {
  return {
    x: numberOf(attributes, 'x') + dx,
    y: numberOf(attributes, 'y') + dy,
    width: numberOf(attributes, 'width'),
    height: numberOf(attributes, 'height'),
  };
}

function numberOf(attributes: string, name: string): number {
  const found = new RegExp(`(?:^|\\s)${name}="(-?[\\d.]+)"`).exec(attributes);
  if (!found) throw new Error(`no ${name} in ${attributes}`);
  return Number(found[1]);
}

export function isInside(inner: Box, outer: Box): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

export function overlap(one: Box, other: Box): boolean {
  return one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height;
}

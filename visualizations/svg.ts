// A layout as one SVG: cards, edges that differ by colour and dash, a legend. It decides colours, not places. Colours are plain
// attributes, light ones, so that every viewer shows them; a style sheet overrides them in the dark where a viewer knows CSS.
import { textOf } from './card.ts';
import type { Kind, State } from './chart.ts';
import { type Box, type Card, formText, type Layout, type Point, padding, type Route } from './layout.ts';
import { heightOf, type Line, sizes, widthOf } from './text.ts';

/** What tells the kinds of transition apart, in light, in dark, and without colours. */
export const kinds: Record<Kind, { light: string; dark: string; dash: string; legend: string }> = {
  event: { light: '#0969da', dark: '#58a6ff', dash: 'none', legend: 'event [guard] / actions' },
  timeout: { light: '#9a6700', dark: '#e3b341', dash: '8 4', legend: 'timeout (after)' },
  done: { light: '#1a7f37', dark: '#56d364', dash: '14 3 3 3', legend: 'done' },
  error: { light: '#cf222e', dark: '#ff7b72', dash: '12 3 3 3 3 3', legend: 'error' },
  always: { light: '#59636e', dark: '#9198a1', dash: '2 3', legend: 'always, at once' },
};

const shades = {
  canvas: ['#ffffff', '#0d1117'],
  card: ['#f6f8fa', '#161b22'],
  leaf: ['#ffffff', '#21262d'],
  border: ['#8c959f', '#6e7681'],
  text: ['#1f2328', '#f0f6fc'],
  muted: ['#57606a', '#b1bac4'],
} as const;

const margin = 12;

const light = (shade: keyof typeof shades): string => shades[shade][0];
const edgePaint = (kind: Kind): string =>
  `fill="none" stroke="${kinds[kind].light}" stroke-width="1.6"${kinds[kind].dash === 'none' ? '' : ` stroke-dasharray="${kinds[kind].dash}"`}`;
/** The attributes of every kind of shape; its class names the rule for the dark. */
const paint = {
  canvas: `fill="${light('canvas')}"`,
  card: `fill="${light('card')}" stroke="${light('border')}"`,
  leaf: `fill="${light('leaf')}" stroke="${light('border')}"`,
  inner: `fill="none" stroke="${light('border')}"`,
  dot: `fill="${light('text')}"`,
  start: `fill="none" stroke="${light('text')}"`,
  ring: `fill="${light('canvas')}" stroke="${light('text')}" stroke-width="1.6"`,
} as const;
const inkOf = (role: Line['role']): string =>
  role in kinds ? kinds[role as Kind].light : light(role === 'description' || role === 'actions' ? 'muted' : 'text');
const fonts = '-apple-system, Segoe UI, Helvetica, Arial, Liberation Sans, sans-serif';

export function svgOf(layout: Layout, name = layout.cards[0]!.state.name): string {
  const legend = legendOf(layout, layout.width + 2 * margin);
  const width = layout.width + 2 * margin;
  const height = layout.height + 2 * margin + legend.height;
  const root = layout.cards[0]!.state;
  const body = [
    ...layout.cards.map(cardShape),
    ...layout.initials.map(points => `<path class="start" d="${pathOf(points)}" marker-end="url(#to-start)" ${paint.start}/>`),
    ...layout.dots.map(
      box => `<circle class="dot" cx="${box.x + box.width / 2}" cy="${box.y + box.height / 2}" r="${box.width / 2}" ${paint.dot}/>`,
    ),
    ...layout.routes.map(routeShape),
    ...layout.rings.map(
      box => `<circle class="ring" cx="${box.x + box.width / 2}" cy="${box.y + box.height / 2}" r="${box.width / 2 - 1}" ${paint.ring}/>`,
    ),
    ...layout.cards.map(cardText),
    ...layout.routes.map(labelShape),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" class="statechart" role="img" aria-labelledby="${name}-title" data-form="${formText(layout.form)}" font-family="${fonts}">`,
    `<title id="${name}-title">${escaped(`Statechart ${root.name}. ${root.description}`)}</title>`,
    `<style>${style()}</style>`,
    `<defs>${[...Object.keys(kinds), 'start'].map(markerOf).join('')}</defs>`,
    `<rect class="canvas" width="${width}" height="${height}" ${paint.canvas}/>`,
    `<g class="legend">${legend.shapes.join('')}</g>`,
    `<g transform="translate(${margin} ${legend.height + margin})">`,
    ...body,
    '</g>',
    '</svg>',
    '',
  ]
    .join('\n')
    .replaceAll(/(id="|url\(#)to-/g, `$1${name}-to-`); // Several drawings may stand on one page.
}

/** What is enhanced where a viewer knows CSS: dark colours, and text that interrupts an edge which runs behind a parent's text. */
function style(): string {
  const dark = (shade: keyof typeof shades): string => shades[shade][1];
  const rules = [
    `.canvas{fill:${dark('canvas')}}.card{fill:${dark('card')};stroke:${dark('border')}}.leaf{fill:${dark('leaf')}}.inner{stroke:${dark('border')}}`,
    `.dot{fill:${dark('text')}}.start{stroke:${dark('text')}}.ring{fill:${dark('canvas')};stroke:${dark('text')}}`,
    `.arrow.start{fill:${dark('text')};stroke:none}.edge rect{fill:${dark('canvas')}}`,
    `text{fill:${dark('text')}}text.description,text.actions{fill:${dark('muted')}}.over text{stroke:${dark('card')}}`,
    ...Object.entries(kinds).map(
      ([name, { dark: ink }]) => `.edge.${name} path,.edge.${name} rect{stroke:${ink}}text.${name},.arrow.${name}{fill:${ink}}`,
    ),
  ];
  const scoped = rules.map(rule => rule.replaceAll(/(^|[},])(?=[.a-z])/g, '$1.statechart '));
  return [
    '.statechart{color-scheme:light dark}',
    `@supports (paint-order:stroke){.statechart .over text{paint-order:stroke;stroke:${light('card')};stroke-width:4px;stroke-linejoin:round}}`,
    `@media (prefers-color-scheme:dark){\n${scoped.join('\n')}\n}`,
  ].join('\n');
}

function markerOf(name: string): string {
  return `<marker id="to-${name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="arrow ${name}" d="M0 0L8 4L0 8z" fill="${name === 'start' ? light('text') : kinds[name as Kind].light}"/></marker>`;
}

/** The border of a region that runs beside others. */
const dashed = ' stroke-dasharray="6 4"';

function cardShape({ state, x, y, width, height }: Card, _index: number, cards: readonly Card[]): string {
  const region = cards.some(({ state: other }) => other.type === 'parallel' && other.states.includes(state));
  const classes = ['card', state.states.length === 0 ? 'leaf' : '', region ? 'region' : '', state.type].filter(Boolean).join(' ');
  const rect = (inset: number, attributes: string) =>
    `<rect ${attributes} x="${x + inset}" y="${y + inset}" width="${width - 2 * inset}" height="${height - 2 * inset}" rx="${8 - inset}"/>`;
  const title = `<title>${escaped(titleOf(state))}</title>`;
  const look = `${state.states.length === 0 ? paint.leaf : paint.card}${region ? dashed : ''}`;
  return `<g>${title}${rect(0, `data-state="${escaped(state.id)}" class="${classes}" ${look}`)}${state.type === 'final' ? rect(3, `class="inner" ${paint.inner}`) : ''}</g>`;
}

function titleOf(state: State): string {
  return `${state.id}${state.type === 'atomic' ? '' : ` (${state.type})`}${state.description === '' ? '' : `: ${state.description}`}`;
}

function cardText({ state, x, y, lines }: Card): string {
  const text = linesShape(lines, x + padding.x, y + padding.y);
  return state.states.length === 0 ? text : `<g class="over">${text}</g>`;
}

function routeShape({ edge, points }: Route): string {
  const title = edge.transitions.map(each => `${edge.source} → ${edge.target}: ${textOf(each)}`).join('\n');
  return `<g class="edge ${edge.kind}" data-edge="${escaped(idsOf(edge.transitions))}"><title>${escaped(title)}</title><path d="${pathOf(points)}" marker-end="url(#to-${edge.kind})" ${edgePaint(edge.kind)}/></g>`;
}

function labelShape({ edge, label }: Route): string {
  if (!label) return '';
  const rect = `<rect x="${label.x}" y="${label.y}" width="${label.width}" height="${label.height}" rx="4" fill="${light('canvas')}" stroke="${kinds[edge.kind].light}"/>`;
  return `<g class="edge ${edge.kind}" data-edge="${escaped(idsOf(edge.transitions))}">${rect}${linesShape(label.lines, label.x + 6, label.y + 3)}</g>`;
}

function idsOf(transitions: readonly { id: string }[]): string {
  return transitions.map(({ id }) => id).join(' ');
}

const fontOf = (role: Line['role']): string =>
  role === 'name' ? ' font-weight="600"' : role === 'description' ? ' font-style="italic"' : '';

function linesShape(lines: readonly Line[], x: number, top: number): string {
  let y = top;
  return lines
    .map(line => {
      y += heightOf(line);
      const edge = line.edge === undefined ? '' : ` data-edge="${escaped(line.edge)}"`;
      return `<text class="${line.role}"${edge} x="${x + line.indent}" y="${y - 4}" font-size="${line.size}" fill="${inkOf(line.role)}"${fontOf(line.role)}>${escaped(line.text)}</text>`;
    })
    .join('');
}

/** Explains what the drawing holds, and nothing else. */
function legendOf({ cards, rings, routes }: Layout, width: number): { height: number; shapes: string[] } {
  const shapes: string[] = [];
  let x = margin;
  let y = margin;
  const add = (sample: (box: Box) => string, text: string): void => {
    const needed = 34 + widthOf({ text, size: sizes.text, role: 'note' }) + 16;
    if (x > margin && x + needed > width) {
      x = margin;
      y += 20;
    }
    shapes.push(
      sample({ x, y, width: 28, height: 16 }),
      `<text x="${x + 34}" y="${y + 12}" font-size="${sizes.text}" fill="${light('text')}">${text}</text>`,
    );
    x += needed;
  };
  add(box => `<rect class="card leaf" x="${box.x}" y="${box.y}" width="28" height="16" rx="5" ${paint.leaf}/>`, 'state');
  const used = new Set([...routes.map(({ edge }) => edge.kind), ...cards.flatMap(({ lines }) => lines.map(({ role }) => role))]);
  for (const [kind, { legend }] of Object.entries(kinds).filter(([name]) => used.has(name as Kind)))
    add(
      box =>
        `<g class="edge ${kind}"><path d="M${box.x} ${box.y + 8}h${box.width}" marker-end="url(#to-${kind})" ${edgePaint(kind as Kind)}/></g>`,
      legend,
    );
  add(box => `<circle class="dot" cx="${box.x + 14}" cy="${box.y + 8}" r="5" ${paint.dot}/>`, 'starts here');
  if (rings.length > 0)
    add(box => `<circle class="ring" cx="${box.x + 14}" cy="${box.y + 8}" r="4" ${paint.ring}/>`, 'from any state within');
  if (cards.some(({ state }) => state.type === 'final'))
    add(
      box =>
        `<rect class="card leaf" x="${box.x}" y="${box.y}" width="28" height="16" rx="5" ${paint.leaf}/><rect class="inner" x="${box.x + 3}" y="${box.y + 3}" width="22" height="10" rx="3" ${paint.inner}/>`,
      'final',
    );
  if (cards.some(({ state }) => state.type === 'parallel'))
    add(
      box => `<rect class="card region" x="${box.x}" y="${box.y}" width="28" height="16" rx="5" ${paint.card}${dashed}/>`,
      'one of several regions at once',
    );
  return { height: y + 20, shapes };
}

function pathOf(points: readonly Point[]): string {
  return points.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${x} ${y}`).join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

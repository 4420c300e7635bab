// The committed drawings can be read: by people, in light and in dark, and by viewers that know no CSS at all.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Box, isInside, overlap, readDrawing } from './svg.ts';

const folder = join(import.meta.dirname, '../../visualizations');
const names = readdirSync(folder).filter(name => name.endsWith('.svg'));
const kinds = ['event', 'timeout', 'done', 'error', 'always'];

describe.each(names)('%s', name => {
  const svg = readFileSync(join(folder, name), 'utf8');
  const drawing = readDrawing(svg);

  test('no two texts overlap, none leaves the canvas, its card or its label', () => {
    const frames: Box[] = [...drawing.cards.values(), ...drawing.labels];
    for (const [index, text] of drawing.texts.entries()) {
      expect(isInside(text, drawing.canvas), text.content).toBe(true);
      for (const other of drawing.texts.slice(index + 1)) expect(overlap(text, other), `${text.content} over ${other.content}`).toBe(false);
      // The smallest frame in which it begins.
      const own = frames.filter(frame => isInside({ ...text, width: 0 }, frame)).sort((a, b) => a.width * a.height - b.width * b.height)[0];
      if (own) expect(isInside(text, own), `${text.content} within its frame`).toBe(true);
    }
  });

  test('a label is crossed by no border of a card and by no other label', () => {
    for (const [index, label] of drawing.labels.entries()) {
      for (const [state, card] of drawing.cards)
        expect(overlap(label, card) && !isInside(label, card), `${label.edges} over ${state}`).toBe(false);
      for (const other of drawing.labels.slice(index + 1)) expect(overlap(label, other), `${label.edges} over ${other.edges}`).toBe(false);
    }
  });

  test('its letters are at least 10 px high where GitHub shows it smallest', () => {
    const scale = Math.min(1, 830 / drawing.canvas.width);
    expect(Math.min(...drawing.texts.map(({ size }) => size * scale))).toBeGreaterThanOrEqual(10);
  });

  test('every shape and text has its colours as attributes: no style sheet, no variable, no inherited colour is needed', () => {
    expect(svg).not.toMatch(/var\(|currentColor|--\w/);
    const [, shapes] = svg.split('</style>') as [string, string];
    const drawn = [...shapes.matchAll(/<(rect|circle|path|text)\b[^>]*>/g)].map(([shape]) => shape);
    expect(drawn.length).toBeGreaterThan(20);
    expect(drawn.filter(shape => !/ fill="(none|#[0-9a-f]{6})"/.test(shape))).toEqual([]);
    const lines = drawn.filter(shape => / fill="none"/.test(shape));
    expect(lines.filter(shape => !/ stroke="#[0-9a-f]{6}"/.test(shape))).toEqual([]);
  });

  test('the kinds of transition differ by colour and by dash, in light and in dark', () => {
    const lines = [...svg.matchAll(/<g class="edge (\w+)"[^>]*>(?:<title>[^<]*<\/title>)?<path ([^>]*)>/g)];
    const looks = new Map(
      lines.map(([, kind, path]) => [kind, `${/ stroke="([^"]+)"/.exec(path!)?.[1]} ${/dasharray="([^"]+)"/.exec(path!)?.[1]}`]),
    );
    expect(new Set([...looks.values()].map(look => look.split(' ')[0])).size).toBe(looks.size);
    expect(new Set([...looks.values()].map(look => look.replace(/^\S+/, ''))).size).toBe(looks.size);
    const dark = darkOf(svg);
    expect(new Set(kinds.map(kind => dark[kind])).size).toBe(kinds.length);
  });

  test('its text can be read on every ground, in light and in dark', () => {
    const [light, dark] = [lightOf(svg), darkOf(svg)];
    for (const shade of [light, dark])
      for (const ink of ['text', 'muted', ...kinds].filter(each => shade[each] !== undefined))
        for (const ground of ['canvas', 'card', 'leaf'])
          expect(contrast(shade[ink]!, shade[ground]!), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    expect(Object.keys(dark).sort()).toEqual(expect.arrayContaining(Object.keys(light).sort()));
    expect(dark.canvas).not.toBe(light.canvas);
  });
});

/** Colours by what they are for, from the attributes of the shapes. */
function lightOf(svg: string): Record<string, string> {
  const found = (pattern: RegExp): string | undefined => pattern.exec(svg)?.[1];
  const inks = kinds.map(kind => [kind, found(new RegExp(`<text class="${kind}"[^>]* fill="([^"]+)"`))]);
  return Object.fromEntries(
    [
      ['canvas', found(/<rect class="canvas"[^>]* fill="([^"]+)"/)],
      ['card', found(/<rect data-state="\w+" class="card[^"]*" fill="([^"]+)"/)],
      ['leaf', found(/<rect class="card leaf"[^>]* fill="([^"]+)"/)],
      ['text', found(/<text class="name"[^>]* fill="([^"]+)"/)],
      ['muted', found(/<text class="description"[^>]* fill="([^"]+)"/)],
      ...inks,
    ].filter(([, colour]) => colour !== undefined),
  );
}

/** The same from the rules for the dark. */
function darkOf(svg: string): Record<string, string> {
  const [, rules] = /@media \(prefers-color-scheme:dark\)\{([\s\S]*)\}\n?<\/style>/.exec(svg)!;
  const of = (selector: string): string => new RegExp(`\\.statechart ${selector}[^{}]*\\{fill:(#[0-9a-f]{6})`).exec(rules!)![1]!;
  return {
    ...{ canvas: of('\\.canvas'), card: of('\\.card'), leaf: of('\\.leaf'), text: of('text'), muted: of('text\\.description') },
    ...Object.fromEntries(kinds.map(kind => [kind, of(`text\\.${kind}`)])),
  };
}

/** As WCAG measures it. */
function contrast(one: string, other: string): number {
  const luminance = (colour: string) =>
    [1, 3, 5]
      .map(at => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
      .map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index]!, 0);
  const [brighter, darker] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (brighter + 0.05) / (darker + 0.05);
}

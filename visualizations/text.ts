// Lines of text with a size: how wide they are, how they wrap, how high they stand. No font is measured:
// a character is taken to be 0.6 em wide, which is more than the usual sans-serif fonts need.

export type Role = 'name' | 'description' | 'note' | 'event' | 'timeout' | 'done' | 'error' | 'always' | 'actions';

export interface Line {
  readonly text: string;
  readonly role: Role;
  readonly size: number;
  /** Pixels from the left edge of the block. */
  readonly indent: number;
  /** The transition that the line tells of. */
  readonly edge?: string;
}

export const sizes = { title: 18, name: 14, text: 12 } as const;

/** Bold letters are wider. */
export function widthOf(line: Pick<Line, 'text' | 'size' | 'role'>): number {
  return Math.ceil([...line.text].length * line.size * (line.role === 'name' ? 0.64 : 0.6));
}

export function heightOf(line: Pick<Line, 'size'>): number {
  return line.size + 4;
}

export function blockSize(lines: readonly Line[]): { width: number; height: number } {
  return {
    width: Math.max(0, ...lines.map(line => line.indent + widthOf(line))),
    height: lines.reduce((sum, line) => sum + heightOf(line), 0),
  };
}

/** The text in lines no wider than `width`, save that a single word is never broken. Lines after the first are indented. */
export function wrap(text: string, width: number, style: Omit<Line, 'text' | 'indent'>, hanging = 0, indent = 0): Line[] {
  const lines: Line[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    const longer = last && { ...last, text: `${last.text} ${word}` };
    if (longer && longer.indent + widthOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push({ ...style, text: word, indent: last ? indent + hanging : indent });
  }
  return lines;
}

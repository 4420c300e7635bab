// The types of tree.js.
export interface Shape {
  readonly start: readonly string[];
  readonly leaves?: number;
  readonly output?: 'inherit';
}
export const shapes: Readonly<Record<string, Shape>>;
export const hidden: Readonly<Record<string, Shape>>;

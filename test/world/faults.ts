// What befalls a connection of the simulated network, drawn from a seed or decided by a test. A fault is plain data, so that a
// failure can be printed and told again.
import type { Direction, Link } from '../../src/transport/memory.ts';

export type Fault =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'cut' | 'silent'; readonly direction: Direction; readonly after: number }
  /** Silent in both directions, each after its own count of bytes. */
  | { readonly kind: 'dead'; readonly toListener: number; readonly toDialler: number };

const kinds = ['none', 'none', 'cut', 'cut', 'cut', 'cut', 'silent', 'silent', 'dead', 'refused'] as const;

/** `bytes`: how many bytes a direction carries at most; each of them is as likely as another. */
export function drawFault({ fraction }: { fraction(): number }, bytes: number): Fault {
  const upTo = (count: number): number => Math.floor(fraction() * count);
  const kind = kinds[upTo(kinds.length)]!;
  if (kind === 'none' || kind === 'refused') return { kind };
  if (kind === 'dead') return { kind, toListener: upTo(bytes + 1), toDialler: upTo(bytes + 1) };
  return { kind, direction: fraction() < 0.5 ? 'toListener' : 'toDialler', after: upTo(bytes + 1) };
}

export function applyFault(link: Link, fault: Fault): void {
  switch (fault.kind) {
    case 'none':
      return;
    case 'refused':
      return link.refuse();
    case 'cut':
      return link.cut(fault.direction, fault.after);
    case 'silent':
      return link.silence(fault.direction, fault.after);
    case 'dead':
      link.silence('toListener', fault.toListener);
      link.silence('toDialler', fault.toDialler);
  }
}

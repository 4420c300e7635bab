// Cuts the output of one program into lines. A line is kept until it is complete or the program has ended.
import type { Channel } from '../index.ts';
import { bounds } from '../limits.ts';

/** A chunk of `output$`. In place of the text: bytes that are missing here. */
export interface Chunk {
  readonly channel: Channel;
  readonly text: string;
  readonly droppedBytes?: number;
}

export interface Line extends Chunk {
  /** UTF-16 units of the line that are missing at its end. */
  readonly cut?: number;
}

export interface Lines {
  /** The lines that are complete with this chunk. */
  add(chunk: Chunk): Line[];
  /** The lines that will not be completed, at the end of the program. */
  end(): Line[];
}

export function createLines(): Lines {
  const unfinished = { stdout: { text: '', cut: 0 }, stderr: { text: '', cut: 0 } };
  const extend = (channel: Line['channel'], more: string): void => {
    const line = unfinished[channel];
    const room = bounds.outputLine - line.text.length;
    line.text += more.slice(0, room);
    line.cut += Math.max(0, more.length - room);
  };
  const take = (channel: Line['channel']): Line => {
    const { text, cut } = unfinished[channel];
    unfinished[channel] = { text: '', cut: 0 };
    return { channel, text: text.endsWith('\r') ? text.slice(0, -1) : text, ...(cut > 0 ? { cut } : {}) };
  };
  const takeUnfinished = (channel: Line['channel']): Line[] => (unfinished[channel].text === '' ? [] : [take(channel)]);
  return {
    add({ channel, text, droppedBytes }) {
      if (droppedBytes !== undefined) return [...takeUnfinished(channel), { channel, text: '', droppedBytes }];
      const parts = text.split('\n');
      const last = parts.pop()!;
      const lines = parts.map(part => {
        extend(channel, part);
        return take(channel);
      });
      extend(channel, last);
      return lines;
    },
    end: () => [...takeUnfinished('stdout'), ...takeUnfinished('stderr')],
  };
}

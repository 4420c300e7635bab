// The last bytes of a stream, compared with a plain buffer.
import { expect, test } from 'vitest';
import { createTail } from '../../src/process/output/tail.ts';

test('the last bytes are kept, whatever is added and dropped, and what is lost is counted', () => {
  for (const max of [1, 7, 1_024, 3_000]) {
    const tail = createTail(max);
    let model = Buffer.alloc(0);
    let next = 0;
    for (let step = 0; step < 300; step += 1) {
      const bytes = Buffer.from(Array.from({ length: (step * 37) % (max + 3) }, () => (next = (next + 1) % 251)));
      const all = Buffer.concat([model, bytes]);
      model = all.subarray(Math.max(0, all.length - max));
      expect(tail.add(bytes)).toBe(all.length - model.length);
      expect([tail.length, tail.read(0, tail.length).equals(model)]).toEqual([model.length, true]);
      const from = model.length >> 1;
      expect(tail.read(from, model.length - from).equals(model.subarray(from))).toBe(true);
      if (step % 5 !== 4) continue;
      tail.drop(from);
      model = model.subarray(from);
    }
  }
});

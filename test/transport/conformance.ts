// What every network keeps, whatever it is made of: the contract of ByteStream, Listener and Network as assertions. A transport
// runs them by `conforms`; what only one transport does is tested beside it.
import { describe, expect, test } from 'vitest';
import { formatAddress } from '../../src/transport/address.ts';
import type { ByteStream } from '../../src/transport/stream.ts';
import { type Fabric, type Followed, follow, join, listen, pattern, settle } from './fabric.ts';

/** `fabrics`: a network for each test, one after another, each with what to call it where the test fails. */
export function conforms(name: string, fabrics: Readonly<Record<string, () => Fabric>>): void {
  function check(title: string, body: (fabric: Fabric) => Promise<void>): void {
    test(title, async () => {
      for (const [which, createFabric] of Object.entries(fabrics)) {
        await body(createFabric()).catch(fault => {
          fault.message = `${which}: ${fault.message}`;
          throw fault;
        });
      }
    });
  }

  describe(name, () => {
    check('all bytes arrive in order, in both directions, however they were written', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const [near, far] = [follow(dialled), follow(accepted)];
      const sizes = [1, 2, 0, 700, 40_000, 40_000, 40_000, 3, 200_000, 1];
      const all = pattern(sizes.reduce((sum, size) => sum + size));
      for (const stream of [dialled, accepted]) {
        let at = 0;
        const frames = sizes.map(size => Buffer.from(all.subarray(at, (at += size))));
        stream.write(frames.slice(0, 1));
        stream.write([]);
        stream.write(frames.slice(1, 4));
        stream.write(frames.slice(4));
      }
      expect([near.events, far.events]).toEqual([[], []]);
      await fabric.until(() => near.bytes >= all.length && far.bytes >= all.length);
      expect([near.all().equals(all), far.all().equals(all)]).toEqual([true, true]);
    });

    check('what is written is not changed by the receiver', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const [written, far] = [pattern(5_000), follow(accepted)];
      dialled.write([written]);
      await fabric.until(() => far.bytes === 5_000);
      expect(written.equals(pattern(5_000))).toBe(true);
    });

    check('a stream that is opened late has lost nothing, not even an end', async fabric => {
      const { dialled, accepted, listener } = await join(fabric);
      follow(dialled);
      dialled.write([pattern(5_000)]);
      dialled.end();
      expect(formatAddress(listener.address)).toBe(dialled.peer);
      const far = follow(accepted);
      expect(far.events).toEqual([]);
      await fabric.until(() => far.end !== null);
      expect([far.events, far.all().equals(pattern(5_000))]).toEqual([['data', 'closed'], true]);
    });

    check('what is written before the connection is there arrives after it', async fabric => {
      const arrived: Followed[] = [];
      const listener = listen(fabric, stream => arrived.push(follow(stream)));
      const order: string[] = [];
      const dialled = fabric.network.connect(listener.address, () => order.push('connected'));
      const near = follow(dialled, { data: () => order.push('data') });
      dialled.write([pattern(100)]);
      expect([dialled.pending, near.events]).toEqual([100, []]);
      await fabric.until(() => arrived[0]?.bytes === 100);
      arrived[0]!.stream.write([Buffer.from('x')]);
      await fabric.until(() => near.bytes === 1);
      expect([order, arrived[0]!.all().equals(pattern(100)), dialled.pending]).toEqual([['connected', 'data'], true, 0]);
      expect(arrived[0]!.stream.peer).toMatch(fabric.peer ?? /^127\.0\.0\.1:\d+$/);
      dialled.close();
      await fabric.until(() => near.end !== null && arrived[0]!.end !== null);
    });

    check('a full stream returns false, keeps count of what waits, and tells once when it has drained', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const [near, far] = [follow(dialled), follow(accepted)];
      accepted.pause();
      const frames = Array.from({ length: 64 }, (_, n) => pattern(fabric.plenty / 64, (n * fabric.plenty) / 64));
      expect(dialled.write(frames)).toBe(false);
      expect([dialled.pending > 0, near.events]).toEqual([true, []]);
      accepted.resume();
      await fabric.until(() => far.bytes === fabric.plenty && near.drains > 0);
      expect([dialled.pending, near.drains]).toEqual([0, 1]);
      expect(far.all().equals(pattern(fabric.plenty))).toBe(true);
      expect(dialled.write([pattern(1)])).toBe(true);
    });

    check('while it is paused nothing is delivered and the writer waits; resume() goes on, and not inside of the call', async fabric => {
      const arrived: ByteStream[] = [];
      const listener = listen(fabric, stream => arrived.push(stream));
      const near = follow(fabric.network.connect(listener.address, () => {}));
      await fabric.until(() => arrived.length > 0);
      const far = follow(arrived[0]!, { data: () => far.stream.pause() });
      near.stream.write([pattern(fabric.plenty)]);
      await fabric.until(() => far.bytes > 0);
      const before = far.bytes;
      await settle(fabric, listener, () => arrived);
      expect([far.bytes, far.events, near.drains, near.stream.pending > 0]).toEqual([before, ['data'], 0, true]);
      far.stream.resume();
      expect(far.bytes).toBe(before);
      await fabric.until(() => far.bytes > before);
      near.stream.close();
      far.stream.close();
      await fabric.until(() => near.end !== null && far.end !== null);
    });

    check('end() sends all that was written, and is orderly at both ends', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const [near, far] = [follow(dialled), follow(accepted)];
      dialled.write([pattern(fabric.plenty)]);
      dialled.end();
      dialled.end();
      expect(dialled.write([Buffer.from('too late')])).toBe(false);
      await fabric.until(() => near.end !== null && far.end !== null);
      const orderly = { orderly: true, message: 'closed by the other end' };
      expect([near.end, far.end]).toEqual([orderly, orderly]);
      expect([far.events, far.all().equals(pattern(fabric.plenty)), near.events.at(-1)]).toEqual([['data', 'closed'], true, 'closed']);
      expect(accepted.write([Buffer.from('too late')])).toBe(false);
    });

    check('the end that is told of an end still sends what it has written', async fabric => {
      if (fabric.halfCloses === false) return;
      const { dialled, accepted } = await join(fabric);
      const [near, far] = [follow(dialled), follow(accepted)];
      dialled.pause();
      accepted.write([pattern(fabric.plenty)]);
      dialled.end();
      dialled.resume();
      await fabric.until(() => near.end !== null && far.end !== null);
      expect([near.end!.orderly, far.end!.orderly, near.all().equals(pattern(fabric.plenty))]).toEqual([true, true, true]);
    });

    check('both ends may end at once', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const [near, far] = [follow(dialled), follow(accepted)];
      for (const stream of [dialled, accepted]) stream.write([pattern(10)]);
      for (const stream of [dialled, accepted]) stream.end();
      await fabric.until(() => near.end !== null && far.end !== null);
      expect([near.bytes, far.bytes, near.end!.orderly, far.end!.orderly]).toEqual([10, 10, true, true]);
    });

    check('a paused stream tells of an end behind its last byte only', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const far = follow(accepted, { data: () => accepted.pause() });
      const near = follow(dialled);
      dialled.write([pattern(fabric.plenty)]);
      dialled.end();
      while (far.bytes < fabric.plenty) {
        const before = far.bytes;
        await fabric.until(() => far.bytes > before);
        expect(far.end).toBe(null);
        accepted.resume();
      }
      await fabric.until(() => far.end !== null && near.end !== null);
      expect(far.events).toEqual(['data', 'closed']);
    });

    check('close() is told at once, to itself as closed, to the other end behind what was under way', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const [near, far] = [follow(dialled), follow(accepted)];
      dialled.write([pattern(10)]);
      await fabric.until(() => dialled.pending === 0);
      dialled.close();
      dialled.close();
      dialled.end();
      expect([near.events, dialled.write([Buffer.from('too late')])]).toEqual([[], false]);
      await fabric.until(() => near.end !== null && far.end !== null);
      expect([near.end, near.events]).toEqual([{ orderly: false, message: 'closed' }, ['closed']]);
      expect([far.end, far.bytes, far.events]).toEqual([{ orderly: true, message: 'closed by the other end' }, 10, ['data', 'closed']]);
    });

    check('close() is told to a paused stream, too, and inside of its own data', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const near = follow(dialled);
      const far = follow(accepted, { data: () => accepted.close() });
      dialled.write([pattern(fabric.plenty)]);
      await fabric.until(() => far.end !== null);
      expect([far.end, far.events]).toEqual([{ orderly: false, message: 'closed' }, ['data', 'closed']]);
      dialled.pause();
      dialled.close();
      await fabric.until(() => near.end !== null);
    });

    check('an end that writes to a closed one is reset', async fabric => {
      const { dialled, accepted } = await join(fabric);
      const [near, far] = [follow(dialled), follow(accepted)];
      accepted.pause();
      dialled.write([pattern(fabric.plenty)]);
      accepted.close();
      await fabric.until(() => near.end !== null && far.end !== null);
      expect(near.end).toMatchObject({ orderly: false, message: expect.stringMatching(/ECONNRESET|EPIPE/) });
      expect([near.events, far.end]).toEqual([['closed'], { orderly: false, message: 'closed' }]);
    });

    check('an address without a listener refuses: the stream is closed, and never connected', async fabric => {
      const listener = listen(fabric, () => {});
      await listener.close();
      let isConnected = false;
      const near = follow(fabric.network.connect(listener.address, () => (isConnected = true)));
      near.stream.write([pattern(10)]);
      await fabric.until(() => near.end !== null);
      expect(near.end).toMatchObject({ orderly: false, message: expect.stringMatching(/ECONNREFUSED|ENOENT/) });
      expect([isConnected, near.events]).toEqual([false, ['closed']]);
    });

    check('a taken address throws with the code of the system, until its listener is closed', async fabric => {
      const listener = listen(fabric, () => {});
      const { address } = listener;
      expect(() => listen(fabric, () => {}, address)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
      expect(listen(fabric, () => {}).address).not.toEqual(address);
      await listener.close();
      const again = listen(fabric, () => {}, address);
      // The old one does not close the new one.
      await listener.close();
      expect(again.address).toEqual(address);
      expect(() => listen(fabric, () => {}, address)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
    });

    check('a connection outlives its listener', async fabric => {
      const { listener, dialled, accepted } = await join(fabric);
      const [near, far] = [follow(dialled), follow(accepted)];
      const closed = listener.close();
      dialled.write([pattern(10)]);
      await fabric.until(() => far.bytes === 10);
      accepted.close();
      await fabric.until(() => near.end !== null && far.end !== null);
      await closed;
    });

    check('a listener whose handler throws loses that stream, and goes on', async fabric => {
      let count = 0;
      const listener = listen(fabric, stream => {
        count += 1;
        if (count === 1) throw new Error('full');
        follow(stream);
        stream.end();
      });
      const ends = [];
      for (let n = 0; n < 2; n += 1) {
        const near = follow(fabric.network.connect(listener.address, () => {}));
        await fabric.until(() => near.end !== null);
        ends.push(near.end);
      }
      expect([count, ends[1]]).toEqual([2, { orderly: true, message: 'closed by the other end' }]);
    });
  });
}

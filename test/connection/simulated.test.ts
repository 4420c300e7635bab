// The framed channels of a host and an agent over the simulated network: whatever the seed draws, messages keep their order, and
// none is lost without an end, changed or invented.
import { expect, test } from 'vitest';
import type { ChannelEnd, HostChannel } from '../../src/connection/channel.ts';
import { createFramedChannel } from '../../src/connection/framed-channel.ts';
import type { HostReceiver } from '../../src/protocol/codec.ts';
import { createV1 } from '../../src/protocol/v1/codec.ts';
import { createMemoryNetwork } from '../../src/transport/memory.ts';
import type { ByteStream } from '../../src/transport/stream.ts';
import { handClock } from '../world/clock.ts';
import { applyFault, drawFault } from '../world/faults.ts';
import { seededRandom } from '../world/random.ts';

const AT = { kind: 'tcp', host: 'there', port: 80 } as const;
const SEEDS = Number(process.env.SEEDS ?? 1_000);
const MESSAGES = 5;
/** About what the messages of one side take on the wire. */
const BYTES = 1_500;

const payloadOf = (name: string, n: number): string => `${name} ${n} ${'.'.repeat((n * 17) % 50)}`;

interface Side {
  readonly channel: HostChannel;
  sent: number;
  readonly received: string[];
  end: ChannelEnd | null;
}

/** Both sides send on a message that arrives, and now and then the host does not read for a while. */
async function converse(seed: number) {
  const random = seededRandom(seed);
  const clock = handClock();
  const fault = drawFault(random, BYTES);
  const network = createMemoryNetwork({ clock, random, maxWindow: 1_000, dialled: link => applyFault(link, fault) });
  let host: Side | null = null;

  const open = (name: string, stream: ByteStream): Side => {
    // Both sides speak as hosts: a heartbeat goes in both directions.
    const channel: HostChannel = createFramedChannel(stream, clock, createV1(clock).host, 10_000);
    const side: Side = { channel, sent: 0, received: [], end: null };
    const speak = (): void => {
      if (side.sent === MESSAGES) return;
      channel.queue.add(channel.codec.heartbeat(side.sent, Buffer.from(payloadOf(name, side.sent))));
      side.sent += 1;
    };
    const receiver: HostReceiver = {
      authRequest() {},
      executeResponse() {},
      resume() {},
      other() {},
      heartbeat(requestId, payload) {
        if (requestId !== side.received.length) throw new Error('out of order');
        side.received.push(String(payload));
        speak();
        if (random.fraction() > 0.2) return;
        channel.pauseReading();
        clock.setTimeout(() => channel.resumeReading(), random.fraction() * 20);
      },
    };
    channel.open(receiver, {
      ended(end) {
        if (side.end !== null) throw new Error('ended twice');
        side.end = end;
      },
    });
    speak();
    speak();
    return side;
  };
  network.listen(AT, stream => {
    host = open('host', stream);
  });
  const agent = open(
    'agent',
    network.connect(AT, () => {}),
  );
  const timers = await clock.run();
  // What both have closed is over.
  for (const side of [agent, host as Side | null]) side?.channel.close();
  await clock.run();
  return { fault, agent, host: host as Side | null, timers };
}

test(`in ${SEEDS} conversations messages keep their order, and none is invented`, async () => {
  const kinds: Record<string, number> = {};
  const ends: Record<string, number> = {};
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const { fault, agent, host } = await converse(seed);
    kinds[fault.kind] = (kinds[fault.kind] ?? 0) + 1;
    const [toHost, toAgent] = [host?.received ?? [], agent.received];
    const found = { seed, fault, toHost, toAgent };
    // What has arrived is the beginning of what was sent.
    expect(found).toEqual({
      ...found,
      toHost: toHost.map((_, n) => payloadOf('agent', n)),
      toAgent: toAgent.map((_, n) => payloadOf('host', n)),
    });
    expect([toHost.length <= agent.sent, toAgent.length <= (host?.sent ?? 0)]).toEqual([true, true]);
    // Whatever is missing, a fault has taken.
    if (fault.kind === 'none') expect({ seed, sizes: [toHost.length, toAgent.length] }).toEqual({ seed, sizes: [MESSAGES, MESSAGES] });
    if (fault.kind === 'silent' || fault.kind === 'none')
      expect({ seed, ends: [agent.end, host!.end] }).toEqual({ seed, ends: [null, null] });
    const how = agent.end?.message ?? 'no end';
    ends[how] = (ends[how] ?? 0) + 1;
  }
  console.info(`conversations: ${JSON.stringify({ kinds, ends })}`);
  expect(Object.keys(kinds).sort()).toEqual(['cut', 'dead', 'none', 'refused', 'silent']);
  expect(ends['read ECONNRESET']).toBeGreaterThan(SEEDS / 5);
});

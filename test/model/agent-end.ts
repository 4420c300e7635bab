// The agent's end of a connection, played by a test in wire v1 or v2. It does only what the test tells it to do.
import { type Authentication, createAuthentication } from '../../src/agent/authentication.ts';
import { clock, nonce } from '../../src/agent/clock.ts';
import type { HostEndpoint } from '../../src/agent/environment.ts';
import type { AgentChannel } from '../../src/connection/channel.ts';
import { createFramedChannel } from '../../src/connection/framed-channel.ts';
import type { U64 } from '../../src/protocol/message.ts';
import { createV1 } from '../../src/protocol/v1/codec.ts';
import { tcp } from '../../src/transport/tcp.ts';
import type { Clock } from '../../src/world/clock.ts';
import { atEnd } from '../census/census.ts';

const MAX_FRAME = 2 ** 24;

export interface SpokenEnd {
  /** It proves itself with what `authentication` has: a token or a resume key. */
  claim(authentication: Authentication): void;
  /** Resolves when the host has opened the session. */
  readonly admitted: Promise<void>;
  /** Sends a first message in the session. */
  confirm(): void;
  /** Answers the next heartbeat of the host. */
  answerHeartbeat(): Promise<void>;
  close(): void;
}

/** The authentication of an agent that speaks `protocols`. It keeps the resume key of its last session. */
export const authenticationOf = (endpoint: Pick<HostEndpoint, 'instanceId' | 'token' | 'protocols'>): Authentication =>
  createAuthentication(endpoint, clock, nonce);

export function connectAgentEnd(port: number, clock: Clock): Promise<SpokenEnd> {
  return new Promise(connected => {
    const stream = tcp.connect({ kind: 'tcp', host: '127.0.0.1', port }, () => connected(end));
    const channel: AgentChannel = createFramedChannel(stream, clock, createV1(clock).agent, MAX_FRAME);
    atEnd(() => channel.close());
    let attempt: ReturnType<Authentication['begin']> | null = null;
    let admit: () => void;
    const admitted = new Promise<void>(resolve => {
      admit = resolve;
    });
    const beats: U64[] = [];
    let awaitBeat: (() => void) | null = null;
    const nothing = (): void => {};

    channel.open(
      {
        authResponse(response) {
          const verdict = attempt?.answer(response);
          if (verdict?.type === 'reply') channel.queue.add(verdict.message);
          if (verdict?.type !== 'accepted') return;
          if (verdict.codec !== channel.codec && verdict.codec.version > 1) channel.use(verdict.codec);
          admit();
        },
        executeRequest: nothing,
        cancel: nothing,
        signal: nothing,
        terminate: nothing,
        resume: nothing,
        window: nothing,
        heartbeat(requestId) {
          beats.push(requestId);
          awaitBeat?.();
        },
        other: nothing,
      },
      { ended: () => channel.close() },
    );

    const end: SpokenEnd = {
      claim(authentication) {
        attempt = authentication.begin();
        channel.queue.add(attempt.first);
      },
      admitted,
      // On wire v1 every message will do.
      confirm: () => channel.queue.addUrgent(channel.codec.version > 1 ? channel.codec.resume(0) : channel.codec.heartbeat(1, '')),
      async answerHeartbeat() {
        while (beats.length === 0) {
          await new Promise<void>(resolve => {
            awaitBeat = resolve;
          });
        }
        channel.queue.addUrgent(channel.codec.heartbeat(beats.shift()!, ''));
      },
      close: () => channel.close(),
    };
  });
}

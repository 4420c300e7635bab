// The request table of an instance, with a connection and a clock that a test plays.
import type { HostChannel } from '../../src/connection/channel.ts';
import { createFramedChannel } from '../../src/connection/framed-channel.ts';
import { createRequestTable } from '../../src/execution/request-table.ts';
import type { RequestTableOwner } from '../../src/execution/requests.ts';
import type { Status } from '../../src/protocol/message.ts';
import { createV1 } from '../../src/protocol/v1/codec.ts';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import { decodeExecuteRequest, decodeMessage, decodeSignal } from '../../src/protocol/v1/messages.ts';
import { createDeadlines } from '../../src/world/deadlines.ts';
import { handClock } from '../world/clock.ts';
import { type HandStream, handStream } from '../world/stream.ts';

export const turn = () => new Promise<void>(resolve => process.nextTick(resolve));
export const MIB = 2 ** 20;

/** What was written to a stream, as `request 1 hello` or `cancel 1 i/1`. */
export function saidOn(stream: HandStream): string[] {
  const said: string[] = [];
  const reader = createFrameReader(64 * MIB, body => {
    const { type, requestId, payload } = decodeMessage(Buffer.from(body));
    if (type === 'ExecuteRequest') said.push(`request ${requestId} ${decodeExecuteRequest(payload).command}`);
    else {
      const signal = decodeSignal(payload);
      said.push(signal?.signal === 'cancel' ? `cancel ${requestId} ${signal.task_id}` : `${signal?.signal} ${requestId}`);
    }
  });
  for (const frame of stream.writes.flat()) reader.push(frame);
  return said;
}

export function openTable({
  timeout,
  features = [],
  maxConcurrency,
  ...options
}: Partial<RequestTableOwner['options']> & { timeout?: number; features?: string[]; maxConcurrency?: number } = {}) {
  const clock = handClock();
  const told: string[] = [];
  const calls = createRequestTable({
    instanceId: 'i',
    artifactId: 'a',
    timeout,
    maxConcurrency,
    options: { maxInFlight: 4, maxQueuedBytes: MIB, maxFrameBytes: MIB, grace: 500, ...options },
    deadlines: createDeadlines(clock),
    reconnectWindow: 1_000,
    activity: change => void told.push(change),
    unresponsive: taskId => void told.push(`unanswered ${taskId}`),
    subscriberThrew: error => void told.push(`thrown ${error}`),
  });
  const connect = (): { stream: HandStream; channel: HostChannel; said(): string[] } => {
    const stream = handStream();
    const channel: HostChannel = createFramedChannel(stream, clock, createV1(clock).host, MIB);
    channel.open({ authRequest() {}, executeResponse() {}, heartbeat() {}, resume() {}, other() {} }, { ended() {} });
    calls.attach(channel, features);
    return { stream, channel, said: () => saidOn(stream) };
  };
  const answer = (requestId: number, status: Status, more: { taskId?: string; output?: string } = {}) =>
    calls.executeResponse(requestId, { taskId: `i/${requestId}`, status, output: null, error: null, exitCode: null, ...more });
  const failure = (requestOf: { result: Promise<unknown> }) =>
    requestOf.result.then(
      () => 'a result',
      ({ code, message }) => `${code}: ${message}`,
    );
  return { clock, told, calls, connect, answer, failure };
}

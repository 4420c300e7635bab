// Handshakes of wire v1 and v2 with real programs and sockets: who speaks what, and what the host refuses.
import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { SpearletOptions } from '../../src/index.ts';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { resumeKey } from '../../src/protocol/v2/proof.ts';
import { atEnd } from '../census/census.ts';
import { dialProver, type Environment, nonce, type Prover, proveAs } from './prover.ts';
import { encodingsOf, openRelay } from './relay.ts';
import { agentFile, authRequest, dial, failureOf, joinAs, openSpearlet, seen, startHollow, type TestSpearlet, until } from './world.ts';

/** Starts the everyday agent as a program of its own. */
function run(environment: Environment) {
  const program = spawn(process.execPath, [agentFile('everyday.js')], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let stderr = '';
  program.stderr.on('data', chunk => (stderr += chunk));
  const exited = new Promise<string>(resolve => program.once('close', () => resolve(stderr)));
  atEnd(async () => {
    program.kill('SIGKILL');
    await exited;
  });
  return { exited };
}

/** Waits for an external agent behind a relay. */
async function relayed(options: SpearletOptions = {}) {
  const spearlet = openSpearlet(options);
  const expected = spearlet.expect({ artifactId: 'by-hand' });
  expected.ready.catch(() => {});
  const relay = await openRelay(expected.environment.SPEARLET_ADDR);
  return { spearlet, expected, relay, environment: { ...expected.environment, SPEARLET_ADDR: relay.address } };
}

/** The messages of the handshake, in frames of v1, of one direction; the rest is of another version. */
function handshakeOf(bytes: Buffer, count: number): Buffer[] {
  const payloads: Buffer[] = [];
  const reader = createFrameReader(2 ** 20, body => {
    payloads.push(Buffer.from(v1.decodeMessage(body).payload));
    if (payloads.length === count) reader.pause();
  });
  reader.push(Buffer.from(bytes));
  return payloads;
}

const isV1 = (bytes: Buffer): boolean => bytes.includes('"message_type":"ExecuteRequest"');
const closings = (spearlet: TestSpearlet) => spearlet.events.filter(event => event.type === 'connection.closed');

describe('versions', () => {
  test.each([
    [undefined, undefined, false],
    [[1], undefined, true],
    [[2], undefined, false],
    [[1, 2], '1', true],
    [[1, 2], undefined, false],
  ] as const)('with `protocols` %j and SPEARLET_PROTOCOLS %s an agent of the SDK speaks v1: %j', async (protocols, stated, expectsV1) => {
    const { expected, relay, environment } = await relayed(protocols === undefined ? {} : { protocols: [...protocols] });
    run(stated === undefined ? environment : { ...environment, SPEARLET_PROTOCOLS: stated });
    const instance = await expected.ready;
    expect((await instance.execute({ command: 'echo', args: ['through'] }).result).output).toBe('through');
    expect(isV1(relay.connections[0]!.host)).toBe(expectsV1);
    await instance.stop();
  });

  test('an agent that speaks no version of the host ends with VERSION_MISMATCH, and both ends name both ranges', async () => {
    const { spearlet, relay, environment } = await relayed({ protocols: [1] });
    const { exited } = run({ ...environment, SPEARLET_PROTOCOLS: '2' });
    const stderr = await exited;
    expect(stderr).toContain('VERSION_MISMATCH');
    expect(stderr).toContain('the host speaks wire 1, this agent 2');
    expect(relay.connections.length).toBe(1);
    await until(() => closings(spearlet).length === 1);
    expect(closings(spearlet)).toMatchObject([{ code: 'VERSION_MISMATCH', message: 'the agent speaks wire 2, this host 1' }]);
  });

  test('an agent of v1 with the right token is told that the host speaks v2 only; with a wrong one it is refused', async () => {
    const spearlet = openSpearlet({ protocols: [2] });
    const expected = spearlet.expect({ artifactId: 'by-hand' });
    expected.ready.catch(() => {});
    const answers = [];
    for (const changes of [{}, { token: 'wrong' }]) {
      const peer = await dial(expected.environment.SPEARLET_ADDR);
      peer.send('AuthRequest', 1, authRequest(expected.environment, changes));
      answers.push(v1.decodeAuthResponse((await peer.next('AuthResponse')).payload));
      await peer.closed;
    }
    expect(answers).toEqual([
      { success: false, errorMessage: 'no common version of the wire', sessionId: null, protocols: [2] },
      { success: false, errorMessage: 'authentication refused', sessionId: null },
    ]);
    await until(() => closings(spearlet).length === 2);
    expect(closings(spearlet)).toMatchObject([
      { code: 'VERSION_MISMATCH', message: 'the agent speaks wire 1, this host 2' },
      { code: 'AUTH_REFUSED' },
    ]);
  });

  test('after v2 was spoken, v1 with the right token is refused for that incarnation, and works in the next one', async () => {
    const spearlet = openSpearlet({ restart: { backoff: { min: 1, max: 1 } } });
    const { ready, instance, environment } = await startHollow(spearlet, { restart: 'permanent' });
    const agent = await proveAs(environment);
    await ready;
    agent.close();
    await seen(instance.state$, state => state === 'reconnecting');
    expect(await failureOf(joinAs(environment))).toMatchObject({ message: 'refused: authentication refused' });
    await proveAs(environment, agent.resumable);
    let text = '';
    const environments = () =>
      text
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line) as Record<string, string>);
    const fresh = () => environments().find(each => each.SPEARLET_TOKEN !== environment.SPEARLET_TOKEN);
    const next = seen(instance.output$, ({ text: more }) => {
      text += more;
      return fresh() !== undefined;
    });
    process.kill(instance.pid!, 'SIGKILL');
    await next;
    const again = await joinAs(fresh()!);
    await seen(instance.state$, state => state === 'ready');
    again.close();
  });
});

describe('secrets', () => {
  const found = ({ agent, host }: { agent: Buffer; host: Buffer }, secrets: readonly Buffer[]): string[] =>
    [agent, host, ...handshakeOf(agent, 2), ...handshakeOf(host, 2)].flatMap(bytes =>
      secrets.flatMap(secret => encodingsOf(secret, bytes)),
    );
  const formsOf = (token: string): Buffer[] => [Buffer.from(token), Buffer.from(token, 'base64url')];

  test('the bytes of an agent of the SDK that works, and reconnects, contain its token in no encoding', async () => {
    const { expected, relay, environment } = await relayed();
    run(environment);
    const instance = await expected.ready;
    const ask = async () => (await instance.execute({ command: 'environment', args: ['SPEARLET_TOKEN'] }).result).output;
    expect(await ask()).toBe('[null]');
    relay.cut();
    await until(() => relay.connections.length === 2);
    expect(await ask()).toBe('[null]');
    await instance.stop();
    expect(relay.connections.map(connection => found(connection, formsOf(environment.SPEARLET_TOKEN!)))).toEqual([[], []]);
    expect(relay.connections.map(({ agent, host }) => [handshakeOf(agent, 2).length, handshakeOf(host, 2).length])).toEqual([
      [2, 2],
      [2, 2],
    ]);
  });

  test('no byte of the key of an epoch crosses the wire, also where it is resumed with it', async () => {
    const { expected, relay, environment } = await relayed();
    const first = await proveAs(environment);
    await expected.ready;
    first.close();
    const second = await proveAs(environment, first.resumable);
    expect(second.resumable).toEqual(first.resumable);
    const secrets = [...formsOf(environment.SPEARLET_TOKEN!), first.resumable.key as Buffer];
    expect(relay.connections.map(connection => found(connection, secrets))).toEqual([[], []]);
    second.close();
  });

  test('the search finds a secret: the token of v1 in its frame as numbers, and raw in the decoded payload', async () => {
    const { expected, relay, environment } = await relayed({ protocols: [1] });
    const agent = await joinAs(environment as Record<string, string>);
    await expected.ready;
    const { agent: bytes } = relay.connections[0]!;
    const token = Buffer.from(environment.SPEARLET_TOKEN!);
    expect(encodingsOf(token, bytes)).toEqual(['numbers']);
    expect(encodingsOf(token, handshakeOf(bytes, 1)[0]!)).toContain('raw');
    agent.close();
  });

  test('a recorded handshake is refused when it is sent again', async () => {
    const { spearlet, expected, relay, environment } = await relayed();
    const agent = await proveAs(environment);
    await expected.ready;
    const thief = await dial(expected.environment.SPEARLET_ADDR);
    thief.socket.write(relay.connections[0]!.agent);
    await thief.closed;
    const answers = thief.received
      .filter(({ type }) => type === 'AuthResponse')
      .map(({ payload }) => v1.decodeAuthResponse(Buffer.from(payload)));
    expect(answers).toMatchObject([
      { success: false, challenge: {} },
      { success: false, errorMessage: 'authentication refused' },
    ]);
    expect(spearlet.stats().instances[0]).toMatchObject({ refused: 1, state: 'ready' });
    agent.close();
  });

  test('a key that was made from what the wire shows, without the token, proves nothing', async () => {
    const spearlet = openSpearlet();
    const { environment } = await startHollow(spearlet);
    const thief = await dialProver(environment.SPEARLET_ADDR!);
    const offer = thief.offer({ ...environment, SPEARLET_TOKEN: '' });
    const { challenge } = await thief.authResponse();
    const key = resumeKey('', environment.SPEARLET_INSTANCE_ID!, offer, challenge!);
    // The host's own proof, the agent's nonce and the host's, and a proof by a made-up key.
    thief.sendProof(challenge!.proof);
    expect(await thief.authResponse()).toMatchObject({ success: false, errorMessage: 'authentication refused' });
    const other = await dialProver(environment.SPEARLET_ADDR!);
    other.offer(environment, {}, { epoch: challenge!.epoch, key });
    expect(await failureOf(other.challenge())).toMatchObject({ message: 'refused: authentication refused' });
  });
});

describe('epochs', () => {
  test('a stale epoch is refused and counted, as an offer and as a proof; the running one goes on', async () => {
    const spearlet = openSpearlet();
    const expected = spearlet.expect({ artifactId: 'by-hand' });
    const { environment } = expected;
    const first = await proveAs(environment);
    await expected.ready;
    first.close();
    await seen((await expected.ready).state$, state => state === 'reconnecting');
    const late = await dialProver(environment.SPEARLET_ADDR);
    late.offer(environment, {}, first.resumable);
    const challenge = await late.challenge();
    const second = await proveAs(environment);
    await seen((await expected.ready).state$, state => state === 'ready');
    expect(second.resumable.epoch).toBeGreaterThan(first.resumable.epoch);
    late.sendProof(late.proof(challenge));
    expect(await late.authResponse()).toMatchObject({ success: false, errorMessage: 'authentication refused' });
    expect(await failureOf(proveAs(environment, first.resumable))).toMatchObject({ message: 'refused: authentication refused' });
    await until(() => spearlet.stats().instances[0]!.refused === 2);
    second.close();
    const third = await proveAs(environment, second.resumable);
    expect(third.resumable.epoch).toBe(second.resumable.epoch);
    third.close();
  });
});

const faults: [string, string, string, (prover: Prover, environment: Environment) => void | Promise<void>][] = [
  [
    'a wrong proof',
    'AUTH_REFUSED',
    'a wrong token or instance id',
    async (prover, environment) => {
      prover.offer(environment);
      await prover.challenge();
      prover.sendProof(nonce());
    },
  ],
  [
    'a proof without an offer',
    'AUTH_REFUSED',
    'a wrong token or instance id',
    (prover, environment) => prover.sendProofFor(environment, nonce()),
  ],
  [
    'a second offer',
    'PROTOCOL_ERROR',
    'an AuthRequest that nothing asked for',
    async (prover, environment) => {
      prover.offer(environment);
      await prover.challenge();
      prover.offer(environment);
    },
  ],
  [
    'a token after an offer',
    'PROTOCOL_ERROR',
    'an AuthRequest that nothing asked for',
    async (prover, environment) => {
      prover.offer(environment);
      await prover.challenge();
      prover.send('AuthRequest', 2, authRequest(environment as Record<string, string>));
    },
  ],
  [
    'a heartbeat instead of a proof',
    'PROTOCOL_ERROR',
    'expected an AuthRequest, found Heartbeat',
    async (prover, environment) => {
      prover.offer(environment);
      await prover.challenge();
      prover.send('Heartbeat', 1, '');
    },
  ],
  [
    'a nonce that is too long',
    'AUTH_REFUSED',
    'a wrong token',
    (prover, environment) => void prover.offer(environment, { nonce: nonce() + nonce() }),
  ],
  [
    'a nonce that fits into no frame',
    'FRAME_TOO_LARGE',
    'the bound is 16384',
    (prover, environment) => void prover.offer(environment, { nonce: 'a'.repeat(10_000) }),
  ],
  [
    '1,000 versions',
    'AUTH_REFUSED',
    'a wrong token',
    (prover, environment) => void prover.offer(environment, { protocols: Array.from({ length: 1_000 }, (_, n) => n) }),
  ],
  [
    '10,000 versions',
    'FRAME_TOO_LARGE',
    'the bound is 16384',
    (prover, environment) => void prover.offer(environment, { protocols: Array.from({ length: 10_000 }, (_, n) => n) }),
  ],
  [
    'an epoch that nobody has offered',
    'AUTH_REFUSED',
    'a wrong token',
    (prover, environment) => void prover.offer(environment, { epoch: 7 }),
  ],
  [
    'versions from the future',
    'VERSION_MISMATCH',
    'the agent speaks wire 3, 4, this host 1, 2',
    (prover, environment) => void prover.offer(environment, { protocols: [3, 4] }),
  ],
];

describe.each(['perInstance', 'shared'] as const)('at a listener that is %s', listener => {
  test.each(faults)('%s is refused with %s, and the agent can still connect', async (_, code, message, misbehave) => {
    const spearlet = openSpearlet({ listener });
    const { ready, environment } = await startHollow(spearlet);
    const prover = await dialProver(environment.SPEARLET_ADDR!);
    await misbehave(prover, environment);
    await prover.closed;
    await until(() => closings(spearlet).length === 1);
    expect(closings(spearlet)).toMatchObject([{ code, message: expect.stringContaining(message) }]);
    const agent = await proveAs(environment);
    await ready;
    agent.close();
  });

  test('a proof that is sent twice is no frame of v2: the link ends, and the agent resumes its epoch', async () => {
    const spearlet = openSpearlet({ listener });
    const { ready, environment } = await startHollow(spearlet);
    const prover = await dialProver(environment.SPEARLET_ADDR!);
    prover.offer(environment);
    const proof = prover.proof(await prover.challenge());
    prover.socket.cork();
    for (let n = 0; n < 3; n += 1) prover.sendProof(proof);
    prover.socket.uncork();
    await prover.closed;
    await until(() => closings(spearlet).length === 1);
    expect(closings(spearlet)).toMatchObject([{ code: 'PROTOCOL_ERROR' }]);
    const agent = await proveAs(environment);
    await ready;
    agent.close();
  });

  test('offers without a proof do not lock out the agent', async () => {
    const spearlet = openSpearlet({ listener });
    const { ready, environment } = await startHollow(spearlet);
    const idle: Prover[] = [];
    for (let n = 0; n < 8; n += 1) {
      const prover = await dialProver(environment.SPEARLET_ADDR!);
      prover.offer(environment);
      await prover.challenge();
      idle.push(prover);
    }
    const agent = await proveAs(environment);
    await ready;
    expect(idle.filter(({ socket }) => socket.destroyed).length).toBeGreaterThanOrEqual(4);
    for (const each of [agent, ...idle]) each.close();
  });

  test('an instance that does not exist is offered the same handshake as one whose token is not known', async () => {
    const spearlet = openSpearlet({ listener });
    const { environment } = await startHollow(spearlet);
    const stories: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      for (const instanceId of [environment.SPEARLET_INSTANCE_ID!, 'unknown'.padEnd(environment.SPEARLET_INSTANCE_ID!.length, '-')]) {
        const prover = await dialProver(environment.SPEARLET_ADDR!);
        prover.offer(environment, { instanceId });
        await prover.authResponse();
        prover.sendProofFor({ SPEARLET_INSTANCE_ID: instanceId }, nonce());
        await prover.closed;
        stories.push(
          prover.received
            .map(({ type, payload }) => `${type} ${payload}`.replace(/[0-9a-f]{64}/g, 'hex').replace(/"epoch":\d+/, '"epoch":1'))
            .join('\n'),
        );
      }
    }
    expect(new Set(stories).size).toBe(1);
    expect(stories[0]).toMatch(/^AuthResponse .*"nonce":"hex","epoch":1,"proof":"hex".*\nAuthResponse .*authentication refused/);
  });
});

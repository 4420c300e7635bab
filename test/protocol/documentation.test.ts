// Every example of docs/protocol.md is read and written by the codecs, and gives exactly what the page says.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createFrameReader } from '../../src/protocol/v1/decoder.ts';
import * as v1 from '../../src/protocol/v1/messages.ts';
import { agentProof, hostProof, resumeKey } from '../../src/protocol/v2/proof.ts';
import * as types from '../../src/protocol/v2/types.ts';
import { decoder, encode, inPieces, type Message, seen, type To, written } from './v2.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'protocol.md'), 'utf8');
const blocks = Array.from(page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm), ([, kind, body]) => ({ kind: kind!, body: body! }));
const of = (kind: string) => blocks.filter(block => block.kind === kind).map(({ body }) => body);
const bytesOf = (body: string): Buffer => Buffer.from(body.replace(/#.*$/gm, '').replace(/\s/g, ''), 'hex');

interface Proof {
  readonly [name: string]: never;
}
const [proof] = of('json proof').map(body => JSON.parse(body) as Proof);

test('every block of the page is of a kind that is checked here', () => {
  const kinds = ['hex v1', 'hex to-agent', 'hex to-host', 'json', 'json proof'];
  const payloads = ['AuthRequest', 'AuthResponse', 'ExecuteRequest', 'ExecuteResponse'].map(type => `json ${type}`);
  expect(blocks.map(({ kind }) => kind).filter(kind => ![...kinds, ...payloads].includes(kind))).toEqual([]);
  expect(of('json').length).toBe(of('hex to-agent').length + of('hex to-host').length);
  expect(blocks.length).toBeGreaterThan(35);
});

test('the frame of v1 is the Heartbeat that the page describes', () => {
  const frame = bytesOf(of('hex v1')[0]!);
  const bodies: Buffer[] = [];
  // The codec reads a payload into the bytes of its frame.
  createFrameReader(1_000, body => bodies.push(body)).push(Buffer.from(frame));
  const { type, requestId, timestamp, payload } = v1.decodeMessage(bodies[0]!);
  expect(bodies.length).toBe(1);
  expect(payload.toString()).toBe('{}');
  expect(v1.encodeFrame(type, requestId, timestamp, '{}')).toEqual(frame);
});

test.each([
  ['AuthRequest', (text: Buffer) => v1.encodeAuthRequest(v1.decodeAuthRequest(text))],
  ['AuthResponse', (text: Buffer) => v1.encodeAuthResponse(v1.decodeAuthResponse(text))],
  ['ExecuteRequest', (text: Buffer) => v1.encodeExecuteRequest(v1.decodeExecuteRequest(text))],
  ['ExecuteResponse', (text: Buffer) => v1.encodeExecuteResponse(v1.decodeExecuteResponse(text))],
])('each %s is read, and written again to the byte', (type, again) => {
  const payloads = of(`json ${type}`).map(body => body.trim());
  expect(payloads.map(each => again(Buffer.from(each)))).toEqual(payloads);
  expect(payloads.length).toBeGreaterThan(0);
});

test('the proofs of the handshake are those of the code, of Python, and of the messages on the page', () => {
  const { token, instance_id, protocols, features, protocol, agent_nonce, host_nonce, epoch } = proof!;
  const offer = { protocols: protocols!, features: features!, nonce: agent_nonce!, epoch: null };
  const terms = { protocol: protocol!, nonce: host_nonce!, epoch: epoch! };
  const computed = {
    host_proof: hostProof(token!, instance_id!, offer, terms),
    agent_proof: agentProof(token!, instance_id!, offer, terms),
    resume_key: resumeKey(token!, instance_id!, offer, terms).toString('hex'),
  };
  expect(proof).toMatchObject(computed);
  const python = execFileSync('python3', [join(import.meta.dirname, '..', 'foreign', 'wire_v2.py'), 'proof'], {
    input: JSON.stringify(proof),
  });
  expect(JSON.parse(String(python))).toEqual(computed);
  const requests = of('json AuthRequest').map(body => v1.decodeAuthRequest(Buffer.from(body)));
  const challenge = of('json AuthResponse').flatMap(body => v1.decodeAuthResponse(Buffer.from(body)).challenge ?? []);
  expect(requests.flatMap(each => each.offer ?? [])).toEqual([offer]);
  expect(challenge).toEqual([{ ...terms, proof: computed.host_proof }]);
  expect(requests.flatMap(each => each.proof ?? [])).toEqual([computed.agent_proof]);
});

describe('examples of v2', () => {
  const examples = blocks.flatMap(({ kind, body }, n) =>
    kind.startsWith('hex to-')
      ? [
          {
            to: kind.slice(7) as To,
            bytes: bytesOf(body),
            message: JSON.parse(blocks[n + 1]!.body) as Message,
            text: blocks[n + 1]!.body.trim(),
          },
        ]
      : [],
  );
  test.each(examples)('$to: $text', ({ to, bytes, message }) => {
    const heard: Message[] = [];
    decoder(to, 1_000, each => heard.push(each)).push(bytes);
    expect(heard).toEqual([seen(message)]);
    const frame = written(encode(to, message));
    // An example with a first piece: it is as long as its header says.
    expect((bytes[5]! & types.MORE) === 0 ? frame : written(inPieces(frame), [bytes.readUInt32LE(0)])).toEqual(bytes);
  });
});

test('the tables of the page name every type and flag of the code, and no other', () => {
  const rows = Array.from(page.matchAll(/^\| (0x\w\w) \| (\w+) \| (.*?) \|/gm), ([, type, name, flags]) => ({
    type: Number(type),
    name: name!.toUpperCase(),
    bits: Array.from(flags!.matchAll(/(\d+) ([A-Z_]+)/g), ([, bit, flag]) => [flag!, Number(bit)] as const),
  }));
  const values = types as never as Record<string, number>;
  for (const { type, name, bits } of rows) {
    expect(values[name]).toBe(type);
    for (const [flag, bit] of bits) expect(values[flag]).toBe(bit);
  }
  for (const [allowed, both] of [
    [types.fromHost, types.fromAgent],
    [types.fromAgent, types.fromHost],
  ] as const)
    for (const [type, flags] of allowed.entries()) {
      const row = rows.find(each => each.type === type);
      if (flags !== -1) expect(row?.bits.reduce((sum, [, bit]) => sum + bit, 0)).toBe(flags);
      else if (row !== undefined) expect(both[type]).not.toBe(-1);
    }
});

import assert from 'node:assert/strict';
import { deflateSync } from 'node:zlib';
import { encode, type Answer } from 'dns-packet';
import fc from 'fast-check';
import { parseAddress } from '../../../src/core/address.js';
import {
  Names,
  announcePacket,
  answerPacket,
  heardIn,
  listPacket,
  listedIn,
  questionPacket,
  readPacket,
} from '../../../src/registry/mdns/packets.js';
import { Unpacker, packPayload, type Payload } from '../../../src/registry/mdns/payload.js';
import type { Value } from '../../../src/registry/registry.js';
import { damaged, damagedText } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const names = new Names('micro');

const leaf: fc.Arbitrary<Value> = fc.record({ name: text, type: text, values: fc.constant([]) });
const branch = fc.record({ name: text, type: text, values: fc.array(leaf, { maxLength: 2 }) });
const value = fc.record({ name: text, type: text, values: fc.array(branch, { maxLength: 2 }) });
const metadata = fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true });
const endpoint = fc.record({ name: text, request: value, response: value, metadata });
const payload: fc.Arbitrary<Payload> = fc.record({
  service: fc.constantFrom('greeter', 'go.micro.srv.x', 'a'),
  version: fc.constantFrom('1.0.0', 'latest'),
  metadata,
  endpoints: fc.array(endpoint, { maxLength: 3 }),
});

const packet = fc
  .tuple(payload, fc.constantFrom('10.0.0.1:80', '[fe80::1]:65535'), fc.nat(4))
  .map(([{ service: name, version, metadata: of, endpoints }, address, kind]) => {
    const node = { id: `${name}-1`, address, metadata: of };
    const announcement = { service: { name, version, metadata: {}, endpoints, nodes: [] }, node };
    if (kind === 0) return questionPacket(names.service(name), 7);
    if (kind === 1) return listPacket(name, names, 'host');
    if (kind === 2) return answerPacket(names.service(name), 'ANY', announcement, names, 'host');
    return announcePacket(announcement, names, 'host', kind === 3);
  });

const JSON_WORDS = [
  'null',
  '{}',
  '[',
  '[[[['.repeat(200),
  '{"Values":['.repeat(50),
  '"__proto__":{}',
  '"name":1',
  '"\\ud800"',
  '1e999',
  ',',
];
const json = damagedText(
  payload.map(({ service, version, metadata: of, endpoints }) =>
    JSON.stringify({ Metadata: of, Service: service, Version: version, Endpoints: endpoints }),
  ),
  JSON_WORDS,
);
/** JSON that takes few bytes on the wire and many in memory. */
const bomb = fc
  .tuple(
    fc.constantFrom(' ', '[', '{"a":', '0,', '{"name":"a","type":"b"},', '"x":"y",'),
    fc.nat(1_000_000),
    fc.constantFrom('{"Service":"a","Version":"1","Endpoints":[', '[', ''),
  )
  .map(([piece, length, begin]) => begin + piece.repeat(length / piece.length) + '{}]}');
/** One packet of many nodes, each with much to unpack. */
const crowd = fc.tuple(bomb, fc.integer({ min: 1, max: 20 })).map(([told, count]) => {
  const strings =
    deflateSync(told)
      .toString('hex')
      .match(/.{1,255}/g) ?? [];
  const nodes = Array.from({ length: count }, (_, n): Answer[] => [
    { name: `n${n}.a.micro`, type: 'SRV', data: { port: 1, target: 'host' } },
    { name: `n${n}.a.micro`, type: 'TXT', data: strings },
  ]);
  const answers: Answer[] = [{ name: 'host', type: 'A', data: '10.0.0.1' }, ...nodes.flat()];
  return encode({ type: 'response', answers });
});

/** Datagrams. */
export const mdnsPackets = target({
  name: 'mdns-packets',
  inputs: damaged(fc.oneof({ weight: 200, arbitrary: packet }, { weight: 1, arbitrary: crowd }), [
    Buffer.from([0xc0, 0x0c]),
    Buffer.from([0xc0, 0x00]),
    Buffer.from([0xff, 0xff]),
    Buffer.from([0, 16, 0, 1]),
    Buffer.from([0, 33, 0x80, 1]),
    Buffer.from([0, 41, 0, 0]),
    Buffer.from([0, 47, 0, 1]),
    '\x05micro\0',
    '\x07greeter',
    '\x3f',
  ]),
  read(bytes) {
    const read = readPacket(bytes);
    return read && { heard: heardIn(read, names), listed: listedIn(read, names) };
  },
  holds(output) {
    for (const { node } of output?.heard ?? []) parseAddress(node.address);
    assert.ok((output?.heard.length ?? 0) <= 16);
  },
});

const deflated = fc
  .oneof({ weight: 200, arbitrary: json }, { weight: 1, arbitrary: bomb })
  .map((each) => deflateSync(each));
const hex = fc
  .oneof(deflated, damaged(deflated, [Buffer.from([0x78, 0x9c]), Buffer.alloc(30)]))
  .map((bytes) => bytes.toString('hex'));

/** What the TXT record of a node holds. */
export const mdnsPayloads = target({
  name: 'mdns-payloads',
  inputs: fc.oneof(
    hex.map((each) => [Buffer.from(each)]),
    damaged(
      hex.map((each) => Buffer.from(each)),
      ['00', 'zz', ' '],
    ).map((bytes) => [bytes.subarray(0, 99), bytes.subarray(99)]),
  ),
  read: (strings) => new Unpacker().unpack(strings),
  holds(output) {
    // What it grows to when names that it had not are written out may be too much.
    if (output === undefined || JSON.stringify(output).length > 100_000) return;
    const again = new Unpacker().unpack(packPayload(output).map((each) => Buffer.from(each)));
    assert.deepEqual(again, output);
  },
});

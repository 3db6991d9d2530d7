import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Metadata } from '../../../src/core/metadata.js';
import { MESSAGE_LIMITS } from '../../../src/transport/transport.js';
import {
  KIND,
  readHead,
  readMessage,
  readRest,
  writeDatagram,
  writeHello,
  writeMessage,
} from '../../../src/transport/udp/datagram.js';
import { damaged } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const bytesOf = (length: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes) => Buffer.from(bytes).toString('latin1'));

const head = fc.record({ kind: fc.constantFrom(...Object.values(KIND)), token: bytesOf(8), id: bytesOf(12) });
const name = fc.oneof(fc.constantFrom('Foo', 'foo', 'Micro-Id', '__proto__'), text);
const message = fc
  .tuple(fc.array(fc.tuple(name, text), { maxLength: 5 }), fc.uint8Array({ maxLength: 40 }))
  .map(([pairs, body]) => ({ header: new Metadata(pairs), body }));
const datagram = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(head, message).map(([it, rest]) => writeMessage(it, rest, MESSAGE_LIMITS)),
  },
  { weight: 1, arbitrary: fc.tuple(head, text).map(([it, rest]) => writeDatagram(it, rest)) },
  { weight: 1, arbitrary: bytesOf(12).map(writeHello) },
);

/** Datagrams of the udp transport. */
export const udpDatagrams = target({
  name: 'udp-datagrams',
  inputs: damaged(datagram, [
    '8v\x01',
    '\0\0',
    '\0\0\0\x12',
    Uint8Array.of(255, 255),
    Uint8Array.of(0, 0, 255, 231),
  ]),
  read(bytes) {
    const first = readHead(bytes);
    if (first === undefined) return undefined;
    readRest(bytes);
    return { first, message: readMessage(bytes, MESSAGE_LIMITS) };
  },
  refuses: ['invalid_argument', 'resource_exhausted'],
  holds(output) {
    if (output === undefined) return;
    const again = writeMessage(output.first, output.message, MESSAGE_LIMITS);
    assert.deepEqual(readHead(again), output.first);
    const { header, body } = readMessage(again, MESSAGE_LIMITS);
    assert.deepEqual([...header], [...output.message.header]);
    assert.deepEqual([...body], [...output.message.body]);
  },
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { JsonCodec } from '../../../src/codec/json.js';
import type { MessageType } from '../../../src/schema/message-type.js';
import { refusal } from '../../../src/schema/fault.js';
import { shapeOf } from '../../../src/schema/resolve.js';
import { schemaOf } from '../../../src/schema/schema.js';
import { decoderOf } from '../../../src/schema/wire-decode.js';
import { encoderOf } from '../../../src/schema/wire-encode.js';
import { decodeGenerated, encodeGenerated } from '../../schema/generated-only.js';
import { WellKnown, samples } from '../../schema/sample-messages.js';
import { damaged, damagedText } from '../damage.js';
import { instances, text } from '../messages.js';
import { target } from '../target.js';

interface Encoded {
  readonly type: MessageType;
  readonly bytes: Uint8Array;
}

function encoded(
  words: readonly (string | Uint8Array)[],
  encode: (type: MessageType, message: object) => Uint8Array,
): fc.Arbitrary<Encoded> {
  return fc.oneof(
    ...samples.map((type: MessageType) =>
      damaged(
        instances(type).map((message) => encode(type, message)),
        words,
      ).map((bytes) => ({ type, bytes })),
    ),
  );
}

const protobufInputs = encoded(
  [
    // A varint that never ends, the longest one, groups, ids 0 and the highest, children inside each other.
    Buffer.alloc(12, 0xff),
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    Buffer.from([0x0b]),
    Buffer.from([0x0c]),
    Buffer.alloc(300, 0xfb),
    Buffer.from([0x00]),
    Buffer.from([0xfa, 0xff, 0xff, 0xff, 0x0f]),
    Buffer.from([0x42, 0x00]),
    nested(250),
    Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x80, 0x08]),
  ],
  (type, message) => schemaOf(type).encode(message),
);

/** proto3 bytes. */
export const protobuf = target({
  name: 'protobuf',
  inputs: protobufInputs,
  refuses: ['invalid_argument'],
  read: ({ type, bytes }) => schemaOf(type).decode(bytes),
  holds(message, { type }) {
    const { encode, decode } = schemaOf(type);
    assert.deepEqual(decode(encode(message)), message);
  },
});

/** proto3 bytes, by the closures that do the work where code generation is forbidden: they are of one mind with generated code. */
export const protobufClosures = target({
  name: 'protobuf-closures',
  inputs: protobufInputs,
  refuses: ['invalid_argument'],
  read({ type, bytes }) {
    const shape = shapeOf(type);
    let message: object;
    try {
      message = decoderOf(shape).decode(bytes);
    } catch (reason) {
      const refused = refusal(shape.name, reason) as Error;
      assert.throws(() => schemaOf(type).decode(bytes), refused);
      assert.throws(() => decodeGenerated(shape, bytes));
      throw refused;
    }
    assert.deepEqual(schemaOf(type).decode(bytes), message);
    assert.deepEqual(decodeGenerated(shape, bytes), message);
    return message;
  },
  holds(message, { type }) {
    const shape = shapeOf(type);
    const bytes = encoderOf(shape).encode(message);
    assert.deepEqual(decoderOf(shape).decode(encodeGenerated(shape, message)), message);
    assert.deepEqual(decodeGenerated(shape, bytes), message);
  },
});

/** `Choices` in the children of `Choices`. */
function nested(depth: number): Buffer {
  let bytes = Buffer.alloc(0);
  for (let n = 0; n < depth; n++)
    bytes = Buffer.concat([
      Buffer.from([
        0x42,
        ...(bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]),
      ]),
      bytes,
    ]);
  return bytes;
}

const codec = new JsonCodec();
const JSON_WORDS = [
  'null',
  '{}',
  '[]',
  '"NaN"',
  '"-Infinity"',
  '1e999',
  '-0',
  '0.1',
  '"0001-01-01T00:00:00Z"',
  '"1.000000001s"',
  '"\\ud800"',
  '"__proto__":1,',
  '"children":[{',
  '{"other":'.repeat(120),
  '[['.repeat(500),
  `"${'9'.repeat(400)}"`,
  '"RED"',
  ',',
  '\\u0000',
];

/** ProtoJSON, as it comes in a body. */
export const protoJson = target({
  name: 'proto-json',
  inputs: encoded(JSON_WORDS, (type, message) => Buffer.from(JSON.stringify(schemaOf(type).toJson(message)))),
  refuses: ['invalid_argument'],
  // What a codec reads for a type is an instance of it.
  read: ({ type, bytes }) => codec.readBody(bytes, type) as object,
  holds(message, { type }) {
    const { encode, decode, toJson, fromJson } = schemaOf(type);
    // What the bytes say is compared, as a float is rounded only there.
    assert.deepEqual(decode(encode(fromJson(toJson(message)))), decode(encode(message)));
  },
});

const TIMES = [
  '2026-01-31T12:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999Z',
  '2024-02-29T24:00:00+23:59',
  '1.5s',
  '-315576000000.999999999s',
  '0s',
];

/** Timestamps and durations in JSON. */
export const times = target({
  name: 'times',
  inputs: fc.record({
    member: fc.constantFrom('at', 'span'),
    told: damagedText(fc.oneof(fc.constantFrom(...TIMES), text), [
      '-',
      '+',
      '.',
      '9',
      's',
      'Z',
      'T',
      ':60',
      'e5',
      ' ',
      '٣',
    ]),
  }),
  refuses: ['invalid_argument'],
  read: ({ member, told }) => schemaOf(WellKnown).fromJson({ [member]: told }),
  holds(message) {
    const { encode, decode, toJson, fromJson } = schemaOf(WellKnown);
    assert.deepEqual(decode(encode(message)), message);
    assert.deepEqual(fromJson(toJson(message)), message);
  },
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { CallHeader, Codec, MessageKind } from '../../../src/codec/codec.js';
import { GrpcCodec } from '../../../src/codec/grpc.js';
import { JsonRpcCodec } from '../../../src/codec/jsonrpc.js';
import { JsonRpc2Codec } from '../../../src/codec/jsonrpc2.js';
import { MsgpackCodec } from '../../../src/codec/msgpack.js';
import { ProtoRpcCodec } from '../../../src/codec/protorpc.js';
import { CODES, OctavoError, type Code } from '../../../src/core/error.js';
import type { MessageType } from '../../../src/schema/message-type.js';
import { schemaOf } from '../../../src/schema/schema.js';
import { samples } from '../../schema/sample-messages.js';
import { damaged } from '../damage.js';
import { instances, text } from '../messages.js';
import { target, type Target } from '../target.js';

interface Body {
  readonly type: MessageType;
  readonly kind: MessageKind;
  readonly bytes: Uint8Array;
}

interface Told {
  readonly header: CallHeader | undefined;
  readonly message: object;
}

// Object.keys of a table gives the names of its members.
const errors = fc
  .tuple(fc.constantFrom(...(Object.keys(CODES) as Code[])), text)
  .map(([code, message]) => new OctavoError(code, message));
const heads = fc.record({
  kind: fc.constantFrom('request', 'response', 'error', 'event'),
  id: fc.oneof(fc.nat(), text, fc.constant(null)),
  service: fc.constant('greeter'),
  endpoint: text,
  error: errors,
}) as fc.Arbitrary<CallHeader>;

function bodies(codec: Codec, words: readonly (string | Uint8Array)[]): fc.Arbitrary<Body> {
  return fc.oneof(
    ...samples.map((type: MessageType) =>
      fc.constantFrom<MessageKind>('request', 'response', 'event').chain((kind) =>
        damaged(
          fc.tuple(heads, instances(type)).map(([head, message]) => {
            const own = {
              ...head,
              kind: kind === 'response' && head.kind === 'error' ? 'error' : kind,
            } as const;
            return codec.write(own, own.kind === 'error' ? undefined : message, type);
          }),
          words,
        ).map((bytes) => ({ type, kind, bytes })),
      ),
    ),
  );
}

/** @param words what means something in an envelope */
function codecTarget(codec: Codec, words: readonly (string | Uint8Array)[]): Target {
  return target<Body, Told>({
    name: `codec-${codec.name}`,
    inputs: bodies(codec, words),
    refuses: ['invalid_argument'],
    read: ({ type, kind, bytes }) => {
      const header = codec.readHeader(bytes, kind);
      // What a codec reads for a type is an instance of it.
      return { header, message: codec.readBody(bytes, type, kind) as object };
    },
    holds({ header, message }, { type, kind }) {
      const { encode, decode } = schemaOf(type);
      const { id = '1', endpoint = '' } = header ?? {};
      const own = { kind, id, service: '', endpoint };
      const again = codec.write(own, message, type);
      const round = (given: object): object => {
        // What a codec reads for a type is an instance of it.
        const read = codec.readBody(codec.write(own, given, type), type, kind) as object;
        return decode(encode(read));
      };
      // A float that is none of 32 bits is rounded the first time.
      const once = round(message);
      assert.deepEqual(round(once), once);
      if (header?.kind === kind && kind !== 'event')
        assert.deepEqual(codec.readHeader(again, kind)?.id, header.id);
    },
  });
}

const JSON_WORDS = [
  '"id":null,',
  '"id":1e400,',
  '"params":[[',
  '"params":{',
  '"jsonrpc":"1.0"',
  '"method":1',
  '"error":{"code":1}',
  '"result":null',
  '[{"a":'.repeat(110),
  '"__proto__":{"id":1},',
  '\\ud800',
  ',',
  'null',
];
const LENGTHS = ['00000000', 'ffffffff', '7fffffff', '00000005'].map((hex) => Buffer.from(hex, 'hex'));
const PACKED = [
  'dd00ffffff',
  'dfffffffff',
  'c6ffffffff',
  'db000000ff',
  'd6ff00000000',
  'c1',
  'c0',
  '94',
  '9301',
];

export const jsonRpc = codecTarget(new JsonRpcCodec(), JSON_WORDS);
export const jsonRpc2 = codecTarget(new JsonRpc2Codec(), JSON_WORDS);
export const protoRpc = codecTarget(new ProtoRpcCodec(), LENGTHS);
export const grpcFrames = codecTarget(new GrpcCodec(), LENGTHS);
const packer = new MsgpackCodec();
await packer.start();
export const msgpack = codecTarget(packer, [
  ...PACKED.map((hex) => Buffer.from(hex, 'hex')),
  Buffer.alloc(400, 0x91),
  Buffer.alloc(400, 0x81),
]);

const second = new JsonRpc2Codec({ maxBatch: 20 });
const call = fc
  .tuple(text, fc.jsonValue({ maxDepth: 2 }))
  .map(([method, params]) => ({ jsonrpc: '2.0', method, params, id: 1 }));

/** Batches of JSON-RPC 2.0. */
export const batches = target({
  name: 'batches',
  inputs: damaged(
    fc.array(call, { maxLength: 25 }).map((calls) => Buffer.from(JSON.stringify(calls))),
    [...JSON_WORDS, '[', ']', '[['.repeat(400)],
  ),
  refuses: ['invalid_argument'],
  read: (bytes) => second.split(bytes),
  holds(calls) {
    if (calls === undefined) return;
    assert.ok(calls.length > 0 && calls.length <= 20);
    const joined = Buffer.from(second.join(calls)).toString();
    assert.deepEqual(
      JSON.parse(joined),
      calls.map((each) => JSON.parse(Buffer.from(each).toString()) as unknown),
    );
  },
});

import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { BytesCodec } from '../../src/codec/bytes.js';
import type { Codec } from '../../src/codec/codec.js';
import { Codecs } from '../../src/codec/codecs.js';
import { GrpcCodec } from '../../src/codec/grpc.js';
import { JsonCodec, json, type JsonCodecOptions } from '../../src/codec/json.js';
import { JsonRpcCodec } from '../../src/codec/jsonrpc.js';
import { JsonRpc2Codec } from '../../src/codec/jsonrpc2.js';
import { MercuryCodec } from '../../src/codec/mercury.js';
import { MsgpackCodec } from '../../src/codec/msgpack.js';
import { ProtobufCodec } from '../../src/codec/protobuf.js';
import { ProtoRpcCodec } from '../../src/codec/protorpc.js';
import { TextCodec } from '../../src/codec/text.js';
import { codecSuite, type CodecSubject } from '../conformance/codec.js';
import { conform, type ConformOptions } from '../conformance/conform.js';
import { Choices, Color } from '../schema/sample-messages.js';
import { wrapped } from '../support/wrapped.js';

/** Promises of codecs whose bodies are one value, not messages of several fields. */
function valuesOnly(what: string): ConformOptions<keyof typeof codecSuite> {
  const reason = `it carries ${what}, and no other message`;
  return {
    lacks: {
      'what is written is read, whatever the kind': reason,
      'a plain object may be given for a message': reason,
      'an empty message is read back, and no bytes are one too': reason,
      'what is read does not change with the buffer it was read from': reason,
      'every cut of a message is read or refused, and never crashes': reason,
      'every cut of a message is read or refused without a type': reason,
      'every cut of an envelope is read or refused': reason,
      'a value that its type cannot hold is refused, with the field': reason,
      'what is read without a type does not change with the buffer either': reason,
      'what is read without a type is written without one': reason,
    },
  };
}

const all: readonly (readonly [new () => Codec, ConformOptions<keyof typeof codecSuite>?])[] = [
  [ProtobufCodec],
  [JsonCodec],
  [JsonRpcCodec],
  [JsonRpc2Codec],
  [ProtoRpcCodec],
  [MsgpackCodec],
  [MercuryCodec],
  [GrpcCodec],
  [
    class GrpcJsonCodec extends GrpcCodec {
      constructor() {
        super({ format: 'json' });
      }
    },
  ],
  [BytesCodec, valuesOnly('bytes')],
  [TextCodec, valuesOnly('text')],
];

for (const [Type, options] of all) {
  const make = async (through: (codec: Codec) => Codec): Promise<CodecSubject> => {
    const codec = through(new Type());
    await new Codecs([codec]).start();
    return { codec };
  };
  describe(Type.name, () => {
    conform<CodecSubject, typeof codecSuite>(test, codecSuite, () => make((codec) => codec), options);
  });
  describe(`${Type.name}, wrapped`, () => {
    conform<CodecSubject, typeof codecSuite>(test, codecSuite, () => make(wrapped), options);
  });
}

describe('JsonCodec', () => {
  it('writes one value and a line break, as go-micro does', () => {
    const bytes = new JsonCodec().write(
      { kind: 'request', id: '', service: '', endpoint: '' },
      { a: 1 },
      undefined,
    );
    assert.equal(Buffer.from(bytes).toString(), '{"a":1}\n');
  });
});

describe("JsonCodec towards Go's plain structs", () => {
  const event = { kind: 'event', id: '', service: '', endpoint: '' } as const;
  // It needs nothing of the container.
  const resolve = (): never => assert.fail('a codec asked for a dependency');
  const full = { nickName: 'x', phone: 2n ** 53n - 1n, plainColor: Color.GREEN } as const;

  it('writes numbers for 64-bit integers and enums where it is told to, alone or both', () => {
    const written = (options?: JsonCodecOptions): string =>
      Buffer.from(json(options)(resolve).write(event, full, Choices))
        .toString()
        .trim();
    assert.equal(written(), '{"nickName":"x","phone":"9007199254740991","plainColor":"GREEN"}');
    assert.equal(
      written({ int64: 'number' }),
      '{"nickName":"x","phone":9007199254740991,"plainColor":"GREEN"}',
    );
    assert.equal(written({ enums: 'number' }), '{"nickName":"x","phone":"9007199254740991","plainColor":1}');
    assert.equal(
      written({ int64: 'number', enums: 'number' }),
      '{"nickName":"x","phone":9007199254740991,"plainColor":1}',
    );
  });

  it('reads both forms of names, 64-bit integers and enums, whatever it writes', () => {
    for (const codec of [new JsonCodec(), new JsonCodec({ int64: 'number', enums: 'number' })])
      for (const text of [
        '{"nickName":"x","phone":"9007199254740991","plainColor":"GREEN"}',
        '{"nick_name":"x","phone":9007199254740991,"plain_color":1}',
      ])
        assert.deepEqual(codec.readBody(Buffer.from(text), Choices), Object.assign(new Choices(), full));
  });

  it('refuses a number that has lost digits, rather than taking another', () => {
    assert.throws(
      () => new JsonCodec().readBody(Buffer.from('{"phone":9007199254740993}'), Choices),
      /phone/,
    );
    assert.throws(
      () => new JsonCodec({ int64: 'number' }).write(event, { phone: 2n ** 53n }, Choices),
      /phone/,
    );
  });
});

describe('Codecs', () => {
  it('finds a codec by content type, whatever its case and parameters', () => {
    const json = new JsonCodec();
    const codecs = new Codecs([new ProtobufCodec(), json]);
    assert.equal(codecs.get('application/json'), json);
    assert.equal(codecs.get('Application/JSON; charset=utf-8'), json);
    assert.equal(codecs.get('application/xml'), undefined);
  });
});

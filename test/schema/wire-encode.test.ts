import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Field } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { Any } from '../../src/schema/any.js';
import { Duration } from '../../src/schema/duration.js';
import { Empty } from '../../src/schema/empty.js';
import type { Init, MessageType, Ref } from '../../src/schema/message-type.js';
import { protoFiles } from '../../src/schema/proto-text.js';
import { schemaOf } from '../../src/schema/schema.js';
import { Protoc, withoutProtoc } from './protoc.js';
import { hex, refused, toHex } from './refused.js';
import {
  Choices,
  Color,
  Envelope,
  Free,
  Lists,
  Maps,
  Scalars,
  WellKnown,
  samples,
} from './sample-messages.js';

@Message('sample.Deep')
class Deep {
  @Field(1, () => Deep) deep?: Ref<Deep>;
  @Field(2, 'google.protobuf.StringValue') text?: string;
}

/** A value, the same in protoc's text format, and the bytes that protoc 3.21.12 wrote for it. */
interface Golden {
  readonly name: string;
  readonly type: string;
  readonly encode: () => Uint8Array;
  readonly again: (bytes: Uint8Array) => Uint8Array;
  readonly text: string;
  readonly bytes: string;
}

function golden<T extends object>(
  name: string,
  type: MessageType<T>,
  value: Init<T>,
  text: string,
  bytes: string,
): Golden {
  const schema = schemaOf(type);
  return {
    name,
    type: schema.name,
    encode: () => schema.encode(value),
    again: (input) => schema.encode(schema.decode(input)),
    text,
    bytes,
  };
}

const largest: Init<Scalars> = {
  double: Number.MAX_VALUE,
  float: 1.5,
  int32: 2 ** 31 - 1,
  int64: 2n ** 63n - 1n,
  uint32: 2 ** 32 - 1,
  uint64: 2n ** 64n - 1n,
  sint32: 2 ** 31 - 1,
  sint64: 2n ** 63n - 1n,
  fixed32: 2 ** 32 - 1,
  fixed64: 2n ** 64n - 1n,
  sfixed32: 2 ** 31 - 1,
  sfixed64: 2n ** 63n - 1n,
  bool: true,
  string: 'grüße 🦉 \u0000',
  bytes: hex('00ff80'),
};

const goldens: readonly Golden[] = [
  golden('an empty message', Scalars, {}, '', ''),
  golden('the zeros of every type', Scalars, new Scalars(), '', ''),
  golden(
    'the largest values',
    Scalars,
    largest,
    'double: 1.7976931348623157e308 float: 1.5 int32: 2147483647 int64: 9223372036854775807 uint32: 4294967295 uint64: 18446744073709551615 sint32: 2147483647 sint64: 9223372036854775807 fixed32: 4294967295 fixed64: 18446744073709551615 sfixed32: 2147483647 sfixed64: 9223372036854775807 bool: true string: "grüße 🦉 \\000" bytes: "\\000\\377\\200"',
    '09ffffffffffffef7f150000c03f18ffffffff0720ffffffffffffffff7f28ffffffff0f30ffffffffffffffffff0138feffffff0f40feffffffffffffffff014dffffffff51ffffffffffffffff5dffffff7f61ffffffffffffff7f6801720e6772c3bcc39f6520f09fa68920007a0300ff80',
  ),
  golden(
    'the smallest values',
    Scalars,
    {
      double: -Number.MIN_VALUE,
      float: -1.5,
      int32: -(2 ** 31),
      int64: -(2n ** 63n),
      sint32: -(2 ** 31),
      sint64: -(2n ** 63n),
      sfixed32: -(2 ** 31),
      sfixed64: -(2n ** 63n),
    },
    'double: -5e-324 float: -1.5 int32: -2147483648 int64: -9223372036854775808 sint32: -2147483648 sint64: -9223372036854775808 sfixed32: -2147483648 sfixed64: -9223372036854775808',
    '090100000000000080150000c0bf1880808080f8ffffffff01208080808080808080800138ffffffff0f40ffffffffffffffffff015d00000080610000000000000080',
  ),
  golden(
    'numbers below the normal ones',
    Scalars,
    { double: Number.MIN_VALUE, float: 2 ** -149 },
    'double: 5e-324 float: 1e-45',
    '0901000000000000001501000000',
  ),
  golden(
    'small negative integers in ten bytes',
    Scalars,
    { int32: -1, int64: -1n },
    'int32: -1 int64: -1',
    '18ffffffffffffffffff0120ffffffffffffffffff01',
  ),
  golden(
    '-0, which is not the zero that is left out',
    Scalars,
    { double: -0, float: -0 },
    'double: -0.0 float: -0.0',
    '0900000000000000801500000080',
  ),
  golden(
    'infinities and NaN',
    Scalars,
    { double: Number.NaN, float: Number.NEGATIVE_INFINITY },
    'double: nan float: -inf',
    '09000000000000f87f15000080ff',
  ),
  golden(
    'safe integers in 64-bit fields',
    Scalars,
    { int64: -(2 ** 53 - 1) as unknown as bigint, uint64: (2 ** 53 - 1) as unknown as bigint },
    'int64: -9007199254740991 uint64: 9007199254740991',
    '2081808080808080f0ff0130ffffffffffffff0f',
  ),
  golden(
    '64-bit integers past 2^53',
    Scalars,
    { int64: -(2n ** 53n) - 1n, sint64: 2n ** 53n + 1n, fixed64: 2n ** 53n + 1n },
    'int64: -9007199254740993 sint64: 9007199254740993 fixed64: 9007199254740993',
    '20ffffffffffffffefff01408280808080808020510100000000002000',
  ),
  golden(
    'packed lists',
    Lists,
    {
      int32s: [0, 1, -1, 300],
      sint64s: [-1n, 0n],
      doubles: [0, 1.5],
      fixed32s: [7],
      bools: [true, false],
      colors: [0, -1, 1],
    },
    'int32s: [0,1,-1,300] sint64s: [-1,0] doubles: [0,1.5] fixed32s: 7 bools: [true,false] colors: [RED,BLUE,GREEN]',
    '0a0e0001ffffffffffffffffff01ac02120201001a100000000000000000000000000000f83f2204070000002a020100420c00ffffffffffffffffff0101',
  ),
  golden(
    'lists of strings, bytes and messages, zeros and all',
    Lists,
    {
      strings: ['', 'a'],
      blobs: [new Uint8Array(), hex('ff')],
      messages: [{}, { int32: 1 }],
      times: [new Date(0), new Date(1_500)],
    },
    'strings: ["","a"] blobs: ["","\\377"] messages: {} messages: {int32: 1} times: {} times: {seconds: 1 nanos: 500000000}',
    '32003201613a003a01ff4a004a0218015200520808011080cab5ee01',
  ),
  golden(
    'maps, with zero keys and values',
    Maps,
    {
      counts: new Map([['', 0]]),
      names: new Map([[-1n, 'x']]),
      blobs: new Map([[true, hex('00')]]),
      messages: { a: { int32: 1 } },
      colors: new Map([[-3, Color.GREEN]]),
      spans: new Map([[1n, new Duration(1n, 5)]]),
    },
    'counts: {key: "" value: 0} names: {key: -1 value: "x"} blobs: {key: true value: "\\000"} messages: {key: "a" value: {int32: 1}} colors: {key: -3 value: GREEN} spans: {key: 1 value: {seconds: 1 nanos: 5}}',
    '0a040a001000120e08ffffffffffffffffff011201781a05080112010022070a0161120218012a0408051001320f090100000000000000120408011005',
  ),
  golden(
    'explicit zeros',
    Choices,
    { age: 0, nickName: '', color: 0, last: false, scalars: {}, plainColor: 0 },
    'age: 0 nick_name: "" color: RED last: false scalars: {}',
    '0800120018003a00f8ffffff0f00',
  ),
  golden('a oneof whose member is zero', Choices, { email: '' }, 'email: ""', '2200'),
  golden(
    'a oneof whose member is a message',
    Choices,
    { other: { phone: 0n, children: [{}, { age: 1 }] } },
    'other: {phone: 0 children: {} children: {age: 1}}',
    '32082800420042020801',
  ),
  golden(
    'negative and unknown enum values',
    Choices,
    { color: Color.BLUE, plainColor: 77 as 0 },
    'color: BLUE plain_color: 77',
    '18ffffffffffffffffff01a0064d',
  ),
  golden(
    'the well-known types',
    WellKnown,
    {
      at: new Date('2026-01-31T12:00:00.250Z'),
      span: new Duration(-1n, -500_000_000),
      empty: new Empty(),
      text: 'x',
      long: -5n,
      blob: hex('01'),
      flag: true,
      double: 1.5,
      float: 0.5,
      int32: -1,
      uint32: 1,
      uint64: 2n ** 64n - 1n,
    },
    'at: {seconds: 1769860800 nanos: 250000000} span: {seconds: -1 nanos: -500000000} empty: {} text: {value: "x"} long: {value: -5} blob: {value: "\\001"} flag: {value: true} double: {value: 1.5} float: {value: 0.5} int32: {value: -1} uint32: {value: 1} uint64: {value: 18446744073709551615}',
    '0a0b08c0ddf7cb061080e59a77121608ffffffffffffffffff011080b6ca91feffffffff011a0022030a01782a0b08fbffffffffffffffff0132030a01013a020801420909000000000000f83f4a050d0000003f520b08ffffffffffffffffff015a020801620b08ffffffffffffffffff01',
  ),
  golden(
    'the zeros of the well-known types',
    WellKnown,
    {
      at: new Date(0),
      span: new Duration(),
      empty: {},
      text: '',
      long: 0n,
      blob: new Uint8Array(),
      flag: false,
      double: 0,
    },
    'at: {} span: {} empty: {} text: {} long: {} blob: {} flag: {} double: {}',
    '0a0012001a0022002a0032003a004200',
  ),
  golden(
    'JSON of every kind',
    Free,
    {
      object: { '': null, a: 1.5, b: 'é', c: [true, {}], d: {} },
      value: { x: [[]] },
      list: [null, -0, '', false, {}, []],
      values: [null, 'a', 0],
      named: { k: null },
      objects: [{}, { a: 1 }],
      lists: [[], [1]],
    },
    'object: {fields: {key: "" value: {null_value: NULL_VALUE}} fields: {key: "a" value: {number_value: 1.5}} fields: {key: "b" value: {string_value: "é"}} fields: {key: "c" value: {list_value: {values: {bool_value: true} values: {struct_value: {}}}}} fields: {key: "d" value: {struct_value: {}}}} value: {struct_value: {fields: {key: "x" value: {list_value: {values: {list_value: {}}}}}}} list: {values: {null_value: NULL_VALUE} values: {number_value: -0.0} values: {string_value: ""} values: {bool_value: false} values: {struct_value: {}} values: {list_value: {}}} values: {null_value: NULL_VALUE} values: {string_value: "a"} values: {number_value: 0} named: {key: "k" value: {null_value: NULL_VALUE}} objects: {} objects: {fields: {key: "a" value: {number_value: 1}}} lists: {} lists: {values: {number_value: 1}}',
    '0a3d0a060a00120208000a0e0a0161120911000000000000f83f0a090a016212041a02c3a90a0f0a0163120a32080a0220010a022a000a070a016412022a00120f2a0d0a0b0a0178120632040a0232001a1f0a0208000a091100000000000000800a021a000a0220000a022a000a0232002a0208002a031a01612a0911000000000000000032070a016b120208006a006a100a0e0a0161120911000000000000f03f7200720b0a0911000000000000f03f',
  ),
  golden(
    'nulls that are values',
    Free,
    {
      object: {},
      value: null,
      list: [],
      none: null,
      nones: [null, null],
      noneOf: new Map([[5, null]]),
      known: null,
      asNull: null,
    },
    'object: {} value: {null_value: NULL_VALUE} list: {} nones: [NULL_VALUE, NULL_VALUE] none_of: {key: 5 value: NULL_VALUE} known: NULL_VALUE as_null: NULL_VALUE',
    '0a00120208001a003a02000042040805100048005000',
  ),
  golden(
    'a oneof whose member is JSON',
    Free,
    { asValue: null },
    'as_value: {null_value: NULL_VALUE}',
    '5a020800',
  ),
  golden(
    'messages of any class',
    Envelope,
    {
      content: Any.pack({ int32: 5 }, Scalars),
      list: [{}, Any.pack(new Date(1_000), 'google.protobuf.Timestamp')],
    },
    'content: {type_url: "type.googleapis.com/sample.Scalars" value: "\\030\\005"} list: {} list: {[type.googleapis.com/google.protobuf.Timestamp] {seconds: 1}}',
    '0a280a22747970652e676f6f676c65617069732e636f6d2f73616d706c652e5363616c61727312021805120012330a2d747970652e676f6f676c65617069732e636f6d2f676f6f676c652e70726f746f6275662e54696d657374616d7012020801',
  ),
  golden(
    'a time before 1970',
    WellKnown,
    { at: new Date(-1) },
    'at: {seconds: -1 nanos: 999000000}',
    '0a1108ffffffffffffffffff0110c08faedc03',
  ),
];

describe('encoding', () => {
  for (const { name, encode, bytes } of goldens)
    it(`writes ${name} as protoc did`, () => assert.equal(toHex(encode()), bytes));

  for (const { name, again, bytes } of goldens)
    it(`writes ${name} again as it was read`, () => assert.equal(toHex(again(hex(bytes))), bytes));

  it('writes undefined and null as absent', () => {
    const value = { int32: undefined, string: null, bytes: undefined } as unknown as Init<Scalars>;
    assert.equal(schemaOf(Scalars).encode(value).length, 0);
    assert.equal(schemaOf(Lists).encode({ strings: undefined }).length, 0);
  });

  it('takes a Buffer where bytes are wanted', () =>
    assert.equal(toHex(schemaOf(Scalars).encode({ bytes: Buffer.from('ab') })), '7a026162'));

  it('refuses a well-known type that the other side would find too deep, as decoding does', () => {
    let deep: Init<Deep> = { text: '' };
    for (let depth = 0; depth < 99; depth++) deep = { deep };
    const { encode, decode, toJson, fromJson } = schemaOf(Deep);
    assert.deepEqual(toJson(decode(encode(deep))), deep);
    assert.deepEqual(toJson(fromJson(toJson(deep))), deep);
    const deeper = { deep };
    const message = /^sample\.Deep(\.deep){100}\.text: more than 100 messages inside each other$/;
    refused(() => encode(deeper), message);
    refused(() => toJson(deeper), message);
    refused(() => fromJson(deeper), message);
  });

  it('grows its buffer for large messages', () => {
    const string = 'x'.repeat(1_000_000);
    assert.equal(schemaOf(Scalars).decode(schemaOf(Scalars).encode({ string })).string, string);
  });
});

describe('encoding, next to protoc', { skip: withoutProtoc }, () => {
  let protoc: Protoc;
  before(() => {
    protoc = new Protoc(protoFiles(samples));
  });
  after(() => protoc.close());

  for (const { name, type, encode, text } of goldens)
    it(`writes ${name} as protoc does`, () =>
      assert.equal(toHex(encode()), toHex(protoc.encode(type, text))));
});

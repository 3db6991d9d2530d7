import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Field, MapField, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { Duration } from '../../src/schema/duration.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { schemaOf } from '../../src/schema/schema.js';
import { hex, refused } from './refused.js';
import { Choices, Lists, Maps, Scalars, WellKnown } from './sample-messages.js';

/** What a class decodes bytes to, as a plain object with what differs from a fresh instance. */
function decoded(type: MessageType, bytes: string): object {
  const fresh = new Map(Object.entries(new type()));
  const entries = Object.entries(schemaOf(type).decode(hex(bytes)));
  return Object.fromEntries(
    entries.filter(
      ([name, value]) => JSON.stringify(value, shown) !== JSON.stringify(fresh.get(name), shown),
    ),
  );
}

function shown(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  return value instanceof Map ? [...value] : value;
}

describe('decoding', () => {
  it('gives an instance of the class, with instances in it', () => {
    const message = schemaOf(Choices).decode(hex('3a021801 4200'));
    assert.ok(message instanceof Choices);
    assert.ok(message.scalars instanceof Scalars);
    assert.ok(message.children[0] instanceof Choices);
    assert.equal(message.scalars.int32, 1);
  });

  it('gives a fresh instance for no bytes', () => {
    assert.deepEqual(schemaOf(Scalars).decode(new Uint8Array()), new Scalars());
    assert.deepEqual(schemaOf(Maps).decode(new Uint8Array()), new Maps());
  });

  const rules: readonly [name: string, MessageType, bytes: string, expected: object][] = [
    ['takes fields in any order', Scalars, '6801 1805', { int32: 5, bool: true }],
    ['lets the last of a scalar given twice win', Scalars, '1801 1802', { int32: 2 }],
    ['lets the last member of a oneof win', Choices, '220161 2805', { phone: 5n }],
    ['lets the last member of a oneof win the other way round', Choices, '2805 220161', { email: 'a' }],
    [
      'merges a message given twice',
      Choices,
      '3a04 1801 6801 3a05 1802 720161',
      { scalars: Object.assign(new Scalars(), { int32: 2, bool: true, string: 'a' }) },
    ],
    ['merges a timestamp given twice', WellKnown, '0a020801 0a06 1080cab5ee01', { at: new Date(1_500) }],
    ['merges a duration given twice', WellKnown, '12020801 12021005', { span: new Duration(1n, 5) }],
    ['merges a wrapper given twice', WellKnown, '22030a0161 2200', { text: 'a' }],
    ['appends to a list given twice', Lists, '0a0101 0a0102', { int32s: [1, 2] }],
    [
      'takes packed numbers one by one',
      Lists,
      '0801 08ffffffffffffffffff01 1003',
      { int32s: [1, -1], sint64s: [-2n] },
    ],
    ['takes a packed list of nothing', Lists, '0a00', {}],
    ['takes packed and single numbers of one list', Lists, '0a020102 0803', { int32s: [1, 2, 3] }],
    [
      'takes packed bits and enums',
      Lists,
      '2a020100 4203000101',
      { bools: [true, false], colors: [0, 1, 1] },
    ],
    ['gives a map entry without key and value its zeros', Maps, '0a00', { counts: new Map([['', 0]]) }],
    ['gives a map entry without value its zero', Maps, '2200', { messages: new Map([['', new Scalars()]]) }],
    ['gives a map entry without duration its zero', Maps, '3200', { spans: new Map([[0n, new Duration()]]) }],
    [
      'takes the value of a map entry before its key',
      Maps,
      '0a05 1007 0a0161',
      { counts: new Map([['a', 7]]) },
    ],
    [
      'lets the last of a map key given twice win',
      Maps,
      '0a050a01611001 0a050a01611002',
      { counts: new Map([['a', 2]]) },
    ],
    [
      'merges a value given twice in one map entry',
      Maps,
      '220b 0a0161 12021805 12026801',
      {
        messages: new Map([['a', Object.assign(new Scalars(), { int32: 5, bool: true })]]),
      },
    ],
    [
      'takes the key __proto__',
      Maps,
      '0a0d 0a095f5f70726f746f5f5f 1001',
      { counts: new Map([['__proto__', 1]]) },
    ],
    ['keeps enum numbers that have no name', Choices, '184d a0060a', { color: 77, plainColor: 10 }],
    [
      'cuts integers of 64 bits that stand in 32-bit fields',
      Scalars,
      '1881808080 10 28ffffffffffffffffff01',
      { int32: 1, uint32: 2 ** 32 - 1 },
    ],
    [
      'takes integers with more bytes than they need',
      Scalars,
      '188180808000 2081808080808080808000',
      { int32: 1, int64: 1n },
    ],
    ['takes a tag with more bytes than it needs', Scalars, '98808000 05', { int32: 5 }],
    ['takes any varint but 0 for true', Scalars, '688002', { bool: true }],
    ['keeps a byte order mark', Scalars, '7203efbbbf', { string: '\ufeff' }],
    ['keeps U+FFFD', Scalars, '7203efbfbd', { string: '\ufffd' }],
    ['tells an optional zero from absence', Choices, '0800 1200', { age: 0, nickName: '' }],
    ['reads ids up to the largest', Choices, 'f8ffffff0f01', { last: true }],
    [
      'skips unknown fields of every wire type',
      Scalars,
      'a006ffffffffffffffffff01 a1060102030405060708 a206026162 a50601020304 1805',
      { int32: 5 },
    ],
    [
      'skips unknown groups, and groups in them',
      Scalars,
      'a306 0801 ab06 12020102 ac06 a406 1805',
      { int32: 5 },
    ],
    ['cuts a timestamp to milliseconds', WellKnown, '0a04 10bf843d', { at: new Date(0) }],
    [
      'cuts a timestamp before 1970 downwards',
      WellKnown,
      '0a11 08ffffffffffffffffff01 10ff93ebdc03',
      { at: new Date(-1) },
    ],
  ];
  for (const [name, type, bytes, expected] of rules)
    it(name, () => assert.deepEqual(decoded(type, bytes), expected));

  it('copies bytes, so that the input can be written to', () => {
    for (const input of [hex('7a03010203'), Buffer.from(hex('7a03010203'))]) {
      const { bytes } = schemaOf(Scalars).decode(input);
      input.fill(9);
      assert.deepEqual(bytes, new Uint8Array([1, 2, 3]));
    }
  });

  it('reads a part of a larger buffer', () => {
    const buffer = Buffer.from(hex('ffff 1805 ffff'));
    assert.equal(schemaOf(Scalars).decode(buffer.subarray(2, 4)).int32, 5);
  });

  it('reads strings of every length and script', () => {
    for (const letter of ['a', 'ß', '猫', '🦉'])
      for (const length of [0, 1, 7, 8, 63, 64, 200]) {
        const string = letter.repeat(length);
        assert.equal(schemaOf(Scalars).decode(schemaOf(Scalars).encode({ string })).string, string);
      }
  });
});

describe('decoding refuses', () => {
  const wrong: readonly [name: string, MessageType, bytes: string, message: RegExp][] = [
    ['a truncated varint', Scalars, '18', /^sample\.Scalars\.int32: the bytes end in the middle of it$/],
    ['a varint that never ends', Scalars, '18ff', /\.int32: the bytes end/],
    ['a varint of eleven bytes', Scalars, '18ffffffffffffffffffff01', /\.int32: invalid varint encoding$/],
    [
      'a 64-bit varint of eleven bytes',
      Scalars,
      '20ffffffffffffffffffff01',
      /\.int64: invalid varint encoding$/,
    ],
    [
      'an unknown varint of eleven bytes',
      Scalars,
      'a006ffffffffffffffffffff01',
      /^sample\.Scalars: invalid varint/,
    ],
    ['a tag of six bytes', Scalars, '98808080808000', /^sample\.Scalars: invalid tag encoding$/],
    ['a tag that breaks off', Scalars, '98', /^sample\.Scalars: the bytes end/],
    ['a fixed number that breaks off', Scalars, '09010203', /\.double: the bytes end/],
    ['four bytes that break off', Scalars, '15010203', /\.float: the bytes end/],
    ['a string longer than the rest', Scalars, '720561', /\.string: the bytes end/],
    ['bytes longer than the rest', Scalars, '7a0501', /\.bytes: a length of 5 bytes where 1 are left$/],
    ['a length of 2 GB', Scalars, '72ffffffff07', /\.string: the bytes end/],
    ['a length past 2 GB', Scalars, '72ffffffff0f', /\.string: invalid length encoding$/],
    [
      'packed numbers longer than the rest',
      Lists,
      '0affffff7f01',
      /\.int32s: a length of 268435455 bytes where 1/,
    ],
    ['packed doubles that are not whole', Lists, '1a09 0000000000000000 00', /\.doubles\[1\]: the bytes end/],
    ['a packed number that goes on after the list', Lists, '0a0180 01', /\.int32s\[0\]: the bytes end/],
    [
      'a message longer than the rest',
      Choices,
      '3a051801',
      /\.scalars: a length of 5 bytes where 2 are left$/,
    ],
    [
      'a field that goes on after its message',
      Choices,
      '3a0118 05',
      /^sample\.Choices\.scalars\.int32: the bytes end/,
    ],
    [
      'a message in a list that is wrong',
      Lists,
      '4a00 4a02 18ff',
      /^sample\.Lists\.messages\[1\]\.int32: the bytes/,
    ],
    [
      'a map entry that is wrong',
      Maps,
      '2207 0a0161 120218ff',
      /^sample\.Maps\.messages\["a"\]\.int32: the bytes/,
    ],
    [
      'an unknown string longer than the rest',
      Scalars,
      'a20605',
      /^sample\.Scalars: a length of 5 bytes where 0/,
    ],
    ['unknown fixed bytes that break off', Scalars, 'a10605', /^sample\.Scalars: the bytes end/],
    ['id 0', Scalars, '0001', /^sample\.Scalars: a field with id 0$/],
    ['a string of one byte that is no UTF-8', Scalars, '7201ff', /\.string: a string that is not UTF-8$/],
    [
      'a long string that is no UTF-8',
      Scalars,
      `7264${'61'.repeat(99)}ff`,
      /\.string: a string that is not UTF-8$/,
    ],
    ['an encoded surrogate', Scalars, '7203eda080', /\.string: a string that is not UTF-8$/],
    ['an overlong letter', Scalars, '7202c080', /\.string: a string that is not UTF-8$/],
    ['a map key that is no UTF-8', Maps, '0a030a01ff', /\.counts\[""\]: a string that is not UTF-8$/],
    [
      'a string where a number is',
      Scalars,
      '1a0161',
      /\.int32: wire type 2, which is not that of its type here$/,
    ],
    ['a number where a string is', Scalars, '7001', /\.string: wire type 0, which is not that/],
    ['a group where a message is', Choices, '3b3c', /\.scalars: wire type 3, which is not that/],
    ['packed numbers for a single one', Scalars, '1a020102', /\.int32: wire type 2/],
    ['four bytes where a varint is, in a list', Lists, '0d01020304', /\.int32s: wire type 5/],
    ['another type of key in a map', Maps, '0a020801', /\.counts\[""\]: wire type 0/],
    ['another type in a wrapper', WellKnown, '22020801', /\.text: wire type 0/],
    ['another type in a timestamp', WellKnown, '0a020a00', /\.at: wire type 2/],
    ['wire type 6', Scalars, 'a606', /^sample\.Scalars: a field of wire type 6, where none can be$/],
    ['wire type 7', Scalars, 'a706', /wire type 7/],
    ['the end of a group that never began', Scalars, 'a406', /wire type 4/],
    ['a group that never ends', Scalars, 'a306 0801', /the bytes end/],
    ['the end of another group', Scalars, 'a306 ac06', /the end of group 101 in group 100$/],
    ['groups without end', Scalars, 'a306'.repeat(200), /more than 100 messages inside each other$/],
    [
      'a timestamp before the year 1',
      WellKnown,
      '0a0b 08ff91b8c398feffffff01',
      /\.at: expected a time in the years 1/,
    ],
    ['a timestamp after the year 9999', WellKnown, '0a0a 08ffffffffffffffff7f', /\.at: /],
    [
      'a timestamp with negative nanoseconds',
      WellKnown,
      '0a0b10ffffffffffffffffff01',
      /\.at: a timestamp with -1 nano/,
    ],
    [
      'a timestamp with a second of nanoseconds',
      WellKnown,
      '0a061080 94ebdc03',
      /\.at: a timestamp with 1000000000 nano/,
    ],
    ['a duration of two signs', WellKnown, '120d 0801 10ffffffffffffffffff01', /\.span: expected a duration/],
  ];
  for (const [name, type, bytes, message] of wrong)
    it(name, () => void refused(() => schemaOf(type).decode(hex(bytes)), message));

  it('what is no bytes', () => {
    for (const input of ['1805', [24, 5], undefined, null, new ArrayBuffer(2), {}])
      refused(
        () => schemaOf(Scalars).decode(input as Uint8Array),
        /^sample\.Scalars: expected a Uint8Array, got /,
      );
  });

  it('messages more than 100 deep', () => {
    assert.ok(schemaOf(Choices).decode(nested(100)));
    refused(
      () => schemaOf(Choices).decode(nested(101)),
      /^sample\.Choices(\.other){101}: more than 100 messages/,
    );
    refused(() => schemaOf(Choices).decode(nested(20_000)), /more than 100 messages/);
  });
});

/** The bytes of so many `other`s inside each other. */
function nested(depth: number): Uint8Array {
  const heads: Buffer[] = [];
  for (let level = 0, size = 0; level < depth; level++) {
    const length: number[] = [];
    for (let rest = size; ; rest >>>= 7) {
      length.push(rest > 127 ? (rest & 127) | 128 : rest);
      if (rest <= 127) break;
    }
    heads.push(Buffer.from([0x32, ...length]));
    size += 1 + length.length;
  }
  return Buffer.concat(heads.reverse());
}

@Message('sample.Heavy')
class Heavy {
  @Repeated(1, 'string') a: string[] = [];
  @Repeated(2, 'string') b: string[] = [];
  @MapField(3, 'string', 'string') c = new Map<string, string>();
  @MapField(4, 'string', () => Heavy) d = new Map<string, Heavy>();
  @Repeated(5, () => Heavy) e: Heavy[] = [];
  @Field(6, 'string') f = '';
  @Field(7, 'string') g = '';
  @Field(8, 'string') h = '';
}

describe('decoding makes at most a million elements', () => {
  const bomb = (bytes: string, times: number): Uint8Array =>
    Buffer.alloc((bytes.length / 2) * times, bytes, 'hex');
  const bombs: readonly [name: string, MessageType, bytes: Uint8Array, limit: RegExp][] = [
    ['of empty strings', Lists, bomb('3200', 1_000_001), /\.strings\[1000000\]: more than 1000000 elements/],
    ['of numbers one by one', Lists, bomb('0800', 1_000_001), /\.int32s\[1000000\]: more than/],
    [
      'of packed numbers',
      Lists,
      Buffer.concat([hex('2ac1843d'), bomb('01', 1_000_001)]),
      /\.bools\[1000000\]: more than/,
    ],
    ['of map entries', Maps, bomb('0a00', 1_000_001), /\.counts\[""\]: more than/],
    // Seven each: an instance, five lists and maps, eight fields; and one more as an item.
    ['of messages, which count for what they hold', Heavy, bomb('2a00', 125_001), /\.e\[125000\]: more than/],
    [
      'of messages in map entries without value',
      Heavy,
      bomb('2200', 125_001),
      /^sample\.Heavy\.d\[""\]: more than/,
    ],
  ];
  for (const [name, type, bytes, limit] of bombs)
    it(name, () => void refused(() => schemaOf(type).decode(bytes), limit));

  it('and a million of them', () => {
    assert.equal(schemaOf(Lists).decode(bomb('3200', 1_000_000)).strings.length, 1_000_000);
    assert.equal(schemaOf(Heavy).decode(bomb('2a00', 125_000)).e.length, 125_000);
  });
});

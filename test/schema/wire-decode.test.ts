import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Duration } from '../../src/schema/duration.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { schemaOf } from '../../src/schema/schema.js';
import { hex } from './refused.js';
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
    ['skips a string where a number is', Scalars, '1a0161 6801', { bool: true }],
    ['skips a number where a string is', Scalars, '7001 720161', { string: 'a' }],
    ['skips a group where a message is', Choices, '3b 1805 3c 0807', { age: 7 }],
    ['skips packed numbers for a single one', Scalars, '1805 1a020102', { int32: 5 }],
    ['skips four bytes where a varint is, in a list', Lists, '0801 0d01020304 0802', { int32s: [1, 2] }],
    ['skips a key of another type', Maps, '0a07 0801 0a0161 1005', { counts: new Map([['a', 5]]) }],
    ['skips a value of another type', Maps, '0a06 0a0161 120162', { counts: new Map([['a', 0]]) }],
    ['skips another type in a wrapper', WellKnown, '22020801', { text: '' }],
    ['skips another type in a timestamp', WellKnown, '0a04 0a00 0801', { at: new Date(1_000) }],
    ['leaves the oneof as it is for a member of another wire type', Choices, '220161 2a0101', { email: 'a' }],
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

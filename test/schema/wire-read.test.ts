import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { MessageType } from '../../src/schema/message-type.js';
import { schemaOf } from '../../src/schema/schema.js';
import { hex, refused } from './refused.js';
import { Choices, Lists, Maps, Scalars, WellKnown } from './sample-messages.js';

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
    ['a group that never ends where a message is', Choices, '3b', /^sample\.Choices\.scalars: the bytes end/],
    ['a string longer than the rest where a number is', Scalars, '1a0561', /\.int32: a length of 5 bytes/],
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

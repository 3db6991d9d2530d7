import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Field, OneOf } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import type { JsonValue } from '../../src/schema/json-value.js';
import type { Init } from '../../src/schema/message-type.js';
import { schemaOf } from '../../src/schema/schema.js';
import { hex, refused, toHex } from './refused.js';
import { Free } from './sample-messages.js';

const { encode, decode, toJson, fromJson } = schemaOf(Free);

/** A list in a list, so many of them. */
function nested(depth: number): JsonValue[] {
  let list: JsonValue[] = [];
  for (let level = 1; level < depth; level++) list = [list];
  return list;
}

describe('Struct, Value and ListValue', () => {
  const values: readonly JsonValue[] = [
    null,
    true,
    false,
    0,
    1.5,
    -1e300,
    5e-324,
    '',
    'é 🦉',
    [],
    {},
    [null, [], [[]], {}, 'x'],
    { a: { b: { c: [1, { d: null }] } }, '': '', '1': 1, constructor: 1, toString: 'x' },
  ];
  for (const value of values)
    it(`hold ${JSON.stringify(value)} in bytes and in JSON`, () => {
      const message = {
        value,
        values: [value, value],
        named: { k: value },
        list: [value],
        object: { k: value },
      };
      for (const read of [decode(encode(message)), fromJson(toJson(message))]) {
        assert.deepEqual(read.value, value);
        assert.deepEqual(read.values, [value, value]);
        assert.deepEqual(read.named, new Map([['k', value]]));
        assert.deepEqual(read.list, [value]);
        assert.deepEqual(read.object, { k: value });
      }
      assert.deepEqual(toJson(message), message);
    });

  it('keep -0 in bytes', () => assert.ok(Object.is(decode(encode({ value: -0 })).value, -0)));

  it('tell null from absence', () => {
    assert.equal(decode(new Uint8Array()).value, undefined);
    assert.equal(decode(hex('1200')).value, null);
    assert.equal(fromJson({}).value, undefined);
    assert.equal(fromJson({ value: null }).value, null);
    assert.deepEqual(toJson({ value: null }), { value: null });
    assert.deepEqual(toJson({ value: undefined }), {});
    assert.equal(toHex(encode({ value: undefined })), '');
    // Of the others null is absence.
    const { object, list } = fromJson({ object: null, list: null, values: null });
    assert.ok(object === undefined && list === undefined);
    const absent = { object: null, list: null, values: null } as unknown as Init<Free>;
    assert.equal(toHex(encode(absent)), '');
    assert.deepEqual(toJson(absent), {});
  });

  it('leave out members that are undefined, as JSON does', () => {
    const message = { object: { a: undefined, b: 1 } } as unknown as Init<Free>;
    assert.deepEqual(decode(encode(message)).object, { b: 1 });
    assert.deepEqual(toJson(message), { object: { b: 1 } });
  });

  it('are copies', () => {
    const object = { a: [1] };
    const read = fromJson({ object }).object as { a: number[] };
    read.a.push(2);
    assert.deepEqual(object, { a: [1] });
    const json = toJson({ object }) as { object: { a: number[] } };
    json.object.a.push(3);
    assert.deepEqual(object, { a: [1] });
  });

  it('take __proto__ for a name like others', () => {
    const json = JSON.parse('{"object":{"__proto__":{"polluted":true}}}') as object;
    for (const read of [fromJson(json), decode(encode(fromJson(json)))]) {
      assert.equal(JSON.stringify(read.object), '{"__proto__":{"polluted":true}}');
      assert.equal(Object.getPrototypeOf(read.object), Object.prototype);
      assert.equal(JSON.stringify(toJson(read)), JSON.stringify(json));
    }
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  const wrong: readonly (readonly [name: string, value: object, message: RegExp])[] = [
    ['NaN', { value: Number.NaN }, /^sample\.Free\.value: expected a number that JSON can hold, got NaN$/],
    [
      'infinity',
      { object: { a: [1, { b: 1 / 0 }] } },
      /^sample\.Free\.object\["a"\]\[1\]\["b"\]: .* got Infinity$/,
    ],
    ['-infinity in a list', { list: [-1 / 0] }, /^sample\.Free\.list\[0\]: .* got -Infinity$/],
    [
      'undefined in a list',
      { list: [undefined] },
      /^sample\.Free\.list\[0\]: expected a JSON value, got undefined$/,
    ],
    ['a bigint', { values: [1n] }, /^sample\.Free\.values\[0\]: expected a JSON value, got 1n$/],
    ['a function', { value: () => 1 }, /got a function$/],
    ['a Date', { value: new Date(0) }, /^sample\.Free\.value: expected a JSON value, got a Date$/],
    ['bytes', { object: { a: new Uint8Array() } }, /\["a"\]: expected a JSON value, got a Uint8Array$/],
    ['a Map', { object: new Map() }, /^sample\.Free\.object: expected a plain object, got a Map$/],
    ['an instance', { object: new Free() }, /^sample\.Free\.object: expected a plain object, got an object$/],
    ['a list for an object', { object: [] }, /^sample\.Free\.object: expected a plain object, got an array$/],
    ['an object for a list', { list: {} }, /^sample\.Free\.list: expected an array, got an object$/],
    [
      'half a character',
      { value: 'a\ud800' },
      /^sample\.Free\.value: expected a string without lone surrogates/,
    ],
    [
      'half a character in a name',
      { object: { '\udc00': 1 } },
      /^sample\.Free\.object\[".*"\]: expected a string/,
    ],
    ['another null', { nones: [0] }, /^sample\.Free\.nones\[0\]: expected null, got 0$/],
    ['a value for null', { known: 'x' }, /^sample\.Free\.known: expected null, got "x"$/],
    ['null and another of a oneof', { asValue: null, asText: '' }, /asText is set too|asValue is set too/],
    ['two nulls of a oneof', { asValue: null, asNull: null }, /is set too/],
  ];
  for (const [name, value, message] of wrong)
    it(`refuse ${name}`, () => {
      refused(() => encode(value as Free), message);
      refused(() => toJson(value as Free), message);
    });

  it('refuse numbers in bytes that JSON cannot hold, with the path', () => {
    refused(
      () => decode(hex('0a10 0a0e 0a0161 1209 11000000000000f87f')),
      /^sample\.Free\.object\["a"\]: expected a number that JSON can hold, got NaN$/,
    );
    refused(() => decode(hex('1a0b 0a09 11000000000000f07f')), /^sample\.Free\.list\[0\]: .* got Infinity$/);
    refused(() => fromJson({ value: Number.NaN }), /^sample\.Free\.value: .* got NaN$/);
  });

  it('refuse bytes that are wrong, with the path', () => {
    refused(() => decode(hex('0a08 0a06 0a0161 12011a')), /^sample\.Free\.object\["a"\]: the bytes end/);
    refused(() => decode(hex('1203 1a01ff')), /^sample\.Free\.value: a string that is not UTF-8$/);
    refused(() => decode(hex('1a04 0a02 0a05')), /^sample\.Free\.list\[0\]: .*length of 5/);
    refused(
      () => decode(hex('0a05 0a03 0a01ff')),
      /^sample\.Free\.object\[""\]: a string that is not UTF-8$/,
    );
  });

  it('are read like other messages: merged, unknown fields skipped, the last of a oneof kept', () => {
    const read = (bytes: string): Free => decode(hex(bytes));
    assert.deepEqual(read('0a09 0a07 0a0161 1202 0800 0a09 0a07 0a0162 1202 2001').object, {
      a: null,
      b: true,
    });
    assert.deepEqual(read('0a12 0a07 0a0161 1202 0800 0a07 0a0161 1202 2001').object, { a: true });
    assert.deepEqual(read('1a04 0a02 2001 1a04 0a02 2000').list, [true, false]);
    assert.deepEqual(read('1206 3204 0a02 2001 1206 3204 0a02 2000').value, [true, false]);
    assert.deepEqual(read('1206 3204 0a02 2001 1202 2a00').value, {});
    assert.deepEqual(read('1202 2001 1202 0800').value, null);
    assert.deepEqual(read('1202 0805').value, null);
    assert.deepEqual(read('1205 2001 3a0161').value, true);
    assert.deepEqual(read('1203 1201 61').value, null);
    assert.deepEqual(read('0a02 0a00').object, { '': null });
    assert.deepEqual(read('3a03 000105').nones, [null, null, null]);
    assert.deepEqual(read('3800').nones, [null]);
    assert.deepEqual(read('5a00 62 01 61').asText, 'a');
    assert.equal(read('620161 5a00').asText, undefined);
    assert.equal(read('620161 5a00').asValue, null);
    assert.deepEqual(read('3203 0a0161').named, new Map([['a', null]]));
    assert.equal(read('2000').none, null);
  });

  it('are at most 100 deep, in bytes and in JSON', () => {
    const deepest = nested(100);
    assert.deepEqual(decode(encode({ list: deepest })).list, deepest);
    assert.deepEqual(fromJson(toJson({ list: deepest })).list, deepest);
    const deeper = nested(101);
    const message = /^sample\.Free\.list(\[0\])+: more than 100 messages inside each other$/;
    refused(() => encode({ list: deeper }), message);
    refused(() => toJson({ list: deeper }), message);
    refused(() => fromJson({ list: deeper }), message);
    refused(() => decode(bytesOf(101)), message);
    assert.deepEqual(decode(bytesOf(100)).list, deepest);
    const circle: JsonValue[] = [];
    circle.push(circle);
    refused(() => encode({ value: circle }), /more than 100 messages/);
    refused(() => toJson({ value: circle }), /more than 100 messages/);
    refused(() => fromJson({ value: circle }), /more than 100 messages/);
  });

  it('count as elements, with all that is in them', () => {
    const million = 1_000_001;
    const bomb = (item: string): Buffer => {
      const items = Buffer.alloc((item.length / 2) * million, item, 'hex');
      const length = [
        (items.length & 127) | 128,
        ((items.length >> 7) & 127) | 128,
        ((items.length >> 14) & 127) | 128,
        items.length >> 21,
      ];
      return Buffer.concat([Buffer.from([0x1a, ...length]), items]);
    };
    refused(() => decode(bomb('0a00')), /^sample\.Free\.list\[\d+\]: more than 1000000 elements/);
    refused(() => decode(bomb('0a022a00')), /^sample\.Free\.list\[\d+\]: more than 1000000 elements/);
    const members = bomb('0a00');
    members[0] = 0x0a;
    refused(() => decode(members), /^sample\.Free\.object\[""\]: more than 1000000 elements/);
    const list = new Array<number>(million).fill(0);
    refused(() => fromJson({ list }), /^sample\.Free\.list\[\d+\]: more than 1000000 elements/);
    refused(() => fromJson({ value: { list } }), /^sample\.Free\.value\["list"\]\[\d+\]: more than 1000000/);
    assert.equal((toJson({ list }) as { list: unknown[] }).list.length, million);
  });
});

describe('NullValue', () => {
  it('is null in JSON, also written as protobuf names it', () => {
    const json = { nones: [null, 'NULL_VALUE', 0], noneOf: { '5': null }, known: null, none: null };
    const read = fromJson(json);
    assert.deepEqual(read.nones, [null, null, null]);
    assert.deepEqual(read.noneOf, new Map([[5, null]]));
    assert.equal(read.known, null);
    assert.deepEqual(toJson(read), { nones: [null, null, null], noneOf: { '5': null }, known: null });
    refused(() => fromJson({ nones: ['x'] }), /^sample\.Free\.nones\[0\]: expected null, got "x"$/);
  });

  it('is a member of a oneof', () => {
    assert.equal(fromJson({ asNull: null }).asNull, null);
    assert.deepEqual(toJson({ asNull: null }), { asNull: null });
    refused(() => fromJson({ asNull: null, asText: 'x' }), /asNull is there too/);
  });

  it('begins with null', () => {
    @Message('sample.Bad')
    class Bad {
      @Field(1, 'google.protobuf.NullValue') none: null = 0 as unknown as null;
    }
    refused(
      () => schemaOf(Bad),
      /^sample\.Bad\.none: it begins with 0, .* absence to null;/,
      'failed_precondition',
    );
    @Message('sample.Bad')
    class Set {
      @OneOf('a') @Field(1, 'google.protobuf.NullValue') none?: null = null;
    }
    refused(() => schemaOf(Set), /begins without a value/, 'failed_precondition');
  });
});

/** The bytes of {@link Free} with so many lists inside each other. */
function bytesOf(depth: number): Uint8Array {
  let bytes = Buffer.alloc(0);
  const under = (tag: number): void => {
    const length = bytes.length > 127 ? [(bytes.length & 127) | 128, bytes.length >> 7] : [bytes.length];
    bytes = Buffer.concat([Buffer.from([tag, ...length]), bytes]);
  };
  for (let level = 1; level < depth; level++) {
    under(0x32);
    under(0x0a);
  }
  under(0x1a);
  return bytes;
}

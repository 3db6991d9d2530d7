import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Duration } from '../../src/schema/duration.js';
import { Empty } from '../../src/schema/empty.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { schemaOf } from '../../src/schema/schema.js';
import { hex, refused } from './refused.js';
import { Choices, Lists, Maps, Scalars, WellKnown } from './sample-messages.js';

describe('JSON is read', () => {
  const forms: readonly [name: string, MessageType, json: string, expected: object][] = [
    ['with no members', Scalars, '{}', {}],
    [
      'by the names of the properties',
      Choices,
      '{"plainColor": 1, "nickName": "x"}',
      { plainColor: 1, nickName: 'x' },
    ],
    ['by proto names', Choices, '{"plain_color": 1, "nick_name": "x"}', { plainColor: 1, nickName: 'x' }],
    [
      'without unknown members',
      Scalars,
      '{"x": {"y": [1]}, "toString": 1, "constructor": {}, "int32": 5}',
      { int32: 5 },
    ],
    [
      'with null as absence',
      Choices,
      '{"age": null, "scalars": null, "children": null, "plainColor": null}',
      {},
    ],
    ['with null beside a member of the oneof', Choices, '{"email": null, "phone": "1"}', { phone: 1n }],
    ['with integers as strings', Scalars, '{"int32": "-5", "uint32": "7"}', { int32: -5, uint32: 7 }],
    [
      'with integers that have an exponent or a fraction of zero',
      Scalars,
      '{"int32": 1e3, "uint32": 5.0, "int64": "2e3"}',
      { int32: 1000, uint32: 5, int64: 2000n },
    ],
    ['with the integer -0', Scalars, '{"int32": -0, "int64": -0}', {}],
    [
      'with 64-bit integers as strings',
      Scalars,
      '{"int64": "-9223372036854775808", "uint64": "18446744073709551615"}',
      { int64: -(2n ** 63n), uint64: 2n ** 64n - 1n },
    ],
    [
      'with 64-bit integers as numbers',
      Scalars,
      '{"int64": -5, "fixed64": 9007199254740991}',
      { int64: -5n, fixed64: 2n ** 53n - 1n },
    ],
    [
      'with special numbers',
      Scalars,
      '{"double": "NaN", "float": "-Infinity"}',
      { double: Number.NaN, float: Number.NEGATIVE_INFINITY },
    ],
    [
      'with floating numbers as strings',
      Scalars,
      '{"double": "-1.5e-3", "float": "0.1"}',
      { double: -0.0015, float: 0.1 },
    ],
    ['with padded base64', Scalars, '{"bytes": "+/8="}', { bytes: hex('fbff') }],
    ['with base64 without padding', Scalars, '{"bytes": "+/8"}', { bytes: hex('fbff') }],
    ['with base64url', Scalars, '{"bytes": "-_8"}', { bytes: hex('fbff') }],
    [
      'with enums by name and number',
      Lists,
      '{"colors": ["GREEN", -1, "CRIMSON", 77]}',
      { colors: [1, -1, 0, 77] },
    ],
    [
      'with maps',
      Maps,
      '{"counts": {"a": 1, "__proto__": 2}, "names": {"-1": "x"}, "blobs": {"true": "AQ", "false": ""}, "colors": {"-3": "GREEN"}}',
      {
        counts: new Map([
          ['a', 1],
          ['__proto__', 2],
        ]),
        names: new Map([[-1n, 'x']]),
        blobs: new Map([
          [true, hex('01')],
          [false, hex('')],
        ]),
        colors: new Map([[-3, 1]]),
      },
    ],
    [
      'with times in UTC',
      WellKnown,
      '{"at": "2026-01-31T12:00:00Z"}',
      { at: new Date('2026-01-31T12:00:00Z') },
    ],
    [
      'with times at an offset',
      WellKnown,
      '{"at": "2026-01-31T12:00:00.5-01:30"}',
      { at: new Date('2026-01-31T13:30:00.500Z') },
    ],
    [
      'with times to the nanosecond, cut off',
      WellKnown,
      '{"at": "1969-12-31T23:59:59.999999999Z"}',
      { at: new Date(-1) },
    ],
    ['with February 29th', WellKnown, '{"at": "2024-02-29T00:00:00Z"}', { at: new Date('2024-02-29') }],
    ['with durations', WellKnown, '{"span": "-1.5s"}', { span: new Duration(-1n, -500_000_000) }],
    [
      'with durations to the nanosecond',
      WellKnown,
      '{"span": "0.000000001s"}',
      { span: new Duration(0n, 1) },
    ],
    [
      'with wrappers bare',
      WellKnown,
      '{"text": "", "long": "5", "blob": "AQ", "flag": false, "double": "NaN", "float": 1.5, "int32": 0, "uint32": 1, "uint64": "2"}',
      {
        text: '',
        long: 5n,
        blob: hex('01'),
        flag: false,
        double: Number.NaN,
        float: 1.5,
        int32: 0,
        uint32: 1,
        uint64: 2n,
      },
    ],
    ['with Empty', WellKnown, '{"empty": {"x": 1}}', { empty: new Empty() }],
  ];
  for (const [name, type, json, expected] of forms)
    it(name, () =>
      assert.deepEqual(schemaOf(type).fromJson(JSON.parse(json)), Object.assign(new type(), expected)),
    );

  it('into instances of the classes', () => {
    const message = schemaOf(Choices).fromJson({ scalars: { int32: 1 }, children: [{ scalars: {} }] });
    assert.ok(message instanceof Choices);
    assert.ok(message.scalars instanceof Scalars);
    assert.ok(message.children[0]?.scalars instanceof Scalars);
  });

  it('without touching prototypes', () => {
    const json: unknown = JSON.parse(
      '{"__proto__": {"int32": 7}, "constructor": {"prototype": {"polluted": 1}}}',
    );
    const message = schemaOf(Scalars).fromJson(json);
    assert.equal(Object.getPrototypeOf(message), Scalars.prototype);
    assert.equal(message.int32, 0);
    assert.equal('polluted' in {}, false);
  });
});

describe('JSON is refused', () => {
  const wrong: readonly [MessageType, json: string, message: RegExp][] = [
    [Scalars, 'null', /^sample\.Scalars: expected an object, got null$/],
    [Scalars, '[]', /^sample\.Scalars: expected an object, got an array$/],
    [Scalars, '"x"', /^sample\.Scalars: expected an object, got "x"$/],
    [Scalars, '{"int32": 1.5}', /\.int32: expected a 32-bit integer, got 1\.5$/],
    [Scalars, '{"int32": 2147483648}', /\.int32: /],
    [Scalars, '{"int32": ""}', /\.int32: expected a number, got ""$/],
    [Scalars, '{"int32": " 1"}', /\.int32: /],
    [Scalars, '{"int32": "0x10"}', /\.int32: /],
    [Scalars, '{"int32": "01"}', /\.int32: /],
    [Scalars, '{"int32": "1_000"}', /\.int32: /],
    [Scalars, '{"int32": true}', /\.int32: /],
    [Scalars, '{"int32": [1]}', /\.int32: /],
    [Scalars, '{"uint32": -1}', /\.uint32: /],
    [Scalars, '{"int64": 9007199254740993}', /\.int64: expected a bigint \(or a safe integer\)/],
    [Scalars, '{"int64": "9223372036854775808"}', /\.int64: /],
    [Scalars, '{"int64": "1.5"}', /\.int64: /],
    [Scalars, '{"uint64": "-1"}', /\.uint64: /],
    [Scalars, `{"int64": "${'9'.repeat(100_000)}"}`, /\.int64: /],
    [Scalars, '{"double": 1e999}', /\.double: expected a number within the range of a double, got Infinity$/],
    [Scalars, '{"double": "1e999"}', /\.double: /],
    [Scalars, '{"double": "infinity"}', /\.double: /],
    [Scalars, '{"float": 1e39}', /\.float: expected a number within the range of a float/],
    [Scalars, '{"bool": "true"}', /\.bool: expected a boolean, got "true"$/],
    [Scalars, '{"bool": 1}', /\.bool: /],
    [Scalars, '{"string": 5}', /\.string: expected a string, got 5$/],
    [Scalars, '{"string": "\\ud800"}', /\.string: expected a string without lone surrogates/],
    [Scalars, '{"bytes": "a"}', /\.bytes: expected a whole string of base64, got "a"$/],
    [Scalars, '{"bytes": "ab="}', /\.bytes: /],
    [Scalars, '{"bytes": "a b="}', /\.bytes: expected a string of base64/],
    [Scalars, '{"bytes": "ab==cd"}', /\.bytes: /],
    [Scalars, '{"bytes": [1]}', /\.bytes: /],
    [Lists, '{"int32s": 5}', /\.int32s: expected an array, got 5$/],
    [Lists, '{"int32s": {"0": 1}}', /\.int32s: expected an array, got an object$/],
    [Lists, '{"int32s": [1, null]}', /\.int32s\[1\]: expected a number, got null$/],
    [Lists, '{"messages": [{}, {"int32": "x"}]}', /^sample\.Lists\.messages\[1\]\.int32: /],
    [Lists, '{"messages": [null]}', /\.messages\[0\]: expected an object, got null$/],
    [Lists, '{"colors": ["PINK"]}', /\.colors\[0\]: expected a name or number of sample\.Color, got "PINK"$/],
    [Lists, '{"colors": ["1"]}', /\.colors\[0\]: /],
    [Lists, '{"colors": ["toString"]}', /\.colors\[0\]: /],
    [Lists, '{"colors": [1.5]}', /\.colors\[0\]: /],
    [Maps, '{"counts": []}', /\.counts: expected an object, got an array$/],
    [Maps, '{"counts": {"a": null}}', /\.counts\["a"\]: expected a number, got null$/],
    [Maps, '{"names": {"x": "a"}}', /\.names\["x"\]: /],
    [Maps, '{"blobs": {"1": ""}}', /\.blobs\["1"\]: expected "true" or "false", got "1"$/],
    [Maps, '{"colors": {"1": 1, "1.0": 1}}', /\.colors\["1\.0"\]: the key is there twice$/],
    [
      Choices,
      '{"plainColor": 1, "plain_color": 1}',
      /\.plainColor: it is there twice, under both of its names$/,
    ],
    [
      Choices,
      '{"email": "a", "phone": "1"}',
      /\.phone: email is there too, and only one of the oneof may be$/,
    ],
    [Choices, '{"scalars": {"int32": "x"}}', /^sample\.Choices\.scalars\.int32: /],
    [WellKnown, '{"at": "2026-01-31"}', /\.at: expected a time such as/],
    [WellKnown, '{"at": "2026-02-30T00:00:00Z"}', /\.at: /],
    [WellKnown, '{"at": "2026-13-01T00:00:00Z"}', /\.at: /],
    [WellKnown, '{"at": "2026-01-01T24:00:00Z"}', /\.at: /],
    [WellKnown, '{"at": "2026-01-01T00:00:60Z"}', /\.at: /],
    [WellKnown, '{"at": "2026-01-01T00:00:00"}', /\.at: /],
    [WellKnown, '{"at": "2026-01-01t00:00:00z"}', /\.at: /],
    [WellKnown, '{"at": "2026-01-01T00:00:00.1234567890Z"}', /\.at: /],
    [WellKnown, '{"at": "2026-01-01T00:00:00+24:00"}', /\.at: /],
    [WellKnown, '{"at": "0000-12-31T23:59:59Z"}', /\.at: expected a time in the years 1 to 9999/],
    [WellKnown, '{"at": "0001-01-01T00:00:00+00:01"}', /\.at: expected a time in the years 1 to 9999/],
    [WellKnown, '{"at": 5}', /\.at: /],
    [WellKnown, '{"span": "1"}', /\.span: expected a duration such as "1\.5s", got "1"$/],
    [WellKnown, '{"span": "1.s"}', /\.span: /],
    [WellKnown, '{"span": "1.0123456789s"}', /\.span: /],
    [WellKnown, '{"span": "315576000001s"}', /\.span: /],
    [WellKnown, '{"span": 5}', /\.span: /],
    [WellKnown, '{"text": {"value": "x"}}', /\.text: expected a string, got an object$/],
    [WellKnown, '{"empty": 5}', /\.empty: expected an object, got 5$/],
  ];
  for (const [type, json, message] of wrong)
    it(`${json.slice(0, 60)} with ${message.source}`, () => {
      const error = refused(() => schemaOf(type).fromJson(JSON.parse(json)), message);
      assert.ok(error.message.length < 250);
    });

  it('for undefined', () =>
    void refused(() => schemaOf(Scalars).fromJson(undefined), /expected an object, got undefined$/));

  it('with more than 100 messages inside each other', () => {
    const nested = (depth: number): unknown =>
      JSON.parse('{"other":'.repeat(depth) + '{}' + '}'.repeat(depth));
    assert.ok(schemaOf(Choices).fromJson(nested(100)));
    refused(
      () => schemaOf(Choices).fromJson(nested(101)),
      /^sample\.Choices(\.other){101}: more than 100 messages/,
    );
  });

  it('with more than a million elements', () => {
    const strings = Array.from({ length: 1_000_001 }, () => '');
    refused(
      () => schemaOf(Lists).fromJson({ strings }),
      /\.strings: more than 1000000 elements in one message$/,
    );
    // Three each: an item, an instance, and one for eight of its fields.
    const messages = Array.from({ length: 333_334 }, () => ({}));
    refused(() => schemaOf(Lists).fromJson({ messages }), /more than 1000000 elements/);
  });
});

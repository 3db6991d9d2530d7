import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Duration } from '../../src/schema/duration.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { schemaOf } from '../../src/schema/schema.js';
import { hex, refused } from './refused.js';
import { Choices, Color, Lists, Maps, Scalars, WellKnown } from './sample-messages.js';

describe('JSON', () => {
  const forms: readonly [name: string, MessageType, value: object, json: object][] = [
    ['leaves out the zeros of plain fields', Scalars, new Scalars(), {}],
    ['leaves out empty lists and maps', Maps, new Maps(), {}],
    ['leaves out absent fields', Choices, { age: undefined, scalars: undefined }, {}],
    [
      'has optional zeros',
      Choices,
      { age: 0, nickName: '', last: false },
      { age: 0, nickName: '', last: false },
    ],
    ['has the zero of a oneof', Choices, { phone: 0n }, { phone: '0' }],
    ['has empty messages', Choices, { scalars: {}, children: [{}] }, { scalars: {}, children: [{}] }],
    ['names members as the properties are named', Choices, { plainColor: 1 }, { plainColor: 'GREEN' }],
    [
      'has numbers as they are',
      Scalars,
      { int32: -5, double: 1e300, fixed32: 7 },
      { int32: -5, double: 1e300, fixed32: 7 },
    ],
    [
      'has 64-bit integers as strings',
      Scalars,
      { int64: -(2n ** 63n), uint64: 2n ** 64n - 1n, sint64: 1n },
      { int64: '-9223372036854775808', uint64: '18446744073709551615', sint64: '1' },
    ],
    [
      'takes safe integers in 64-bit fields',
      Scalars,
      { fixed64: 5, sfixed64: -5 },
      { fixed64: '5', sfixed64: '-5' },
    ],
    [
      'has NaN and infinities as strings',
      Scalars,
      { double: Number.NaN, float: Number.NEGATIVE_INFINITY },
      { double: 'NaN', float: '-Infinity' },
    ],
    ['has -0', Scalars, { double: -0, float: -0 }, { double: -0, float: -0 }],
    ['has floats as short as they can be', Scalars, { float: Math.fround(0.1) }, { float: 0.1 }],
    ['has floats with all the digits they need', Scalars, { float: 16_777_217.3 }, { float: 16_777_218 }],
    ['has the largest float', Scalars, { float: 3.402_823_466_385_288_6e38 }, { float: 3.402_823_5e38 }],
    ['has bytes in padded base64', Scalars, { bytes: hex('fbff') }, { bytes: '+/8=' }],
    ['has a part of a buffer only', Scalars, { bytes: Buffer.from('abc').subarray(1, 2) }, { bytes: 'Yg==' }],
    ['has strings as they are', Scalars, { string: '"\u2028ü' }, { string: '"\u2028ü' }],
    ['has enums by name', Lists, { colors: [Color.BLUE, Color.GREEN] }, { colors: ['BLUE', 'GREEN'] }],
    ['has the first name of two', Choices, { color: Color.CRIMSON }, { color: 'RED' }],
    ['has unknown enum numbers', Choices, { color: 77 }, { color: 77 }],
    [
      'has lists in order, zeros and all',
      Lists,
      { int32s: [2, 0], strings: [''], sint64s: [0n] },
      { int32s: [2, 0], strings: [''], sint64s: ['0'] },
    ],
    [
      'has maps as objects',
      Maps,
      { counts: new Map([['a', 0]]), messages: { x: {} } },
      { counts: { a: 0 }, messages: { x: {} } },
    ],
    [
      'has map keys of every type as strings',
      Maps,
      { names: new Map([[-1n, 'x']]), blobs: new Map([[true, hex('')]]), colors: new Map([[-3, 1]]) },
      { names: { '-1': 'x' }, blobs: { true: '' }, colors: { '-3': 'GREEN' } },
    ],
    [
      'has times in UTC',
      WellKnown,
      { at: new Date('2026-01-31T13:00:00+01:00') },
      { at: '2026-01-31T12:00:00Z' },
    ],
    ['has times with milliseconds', WellKnown, { at: new Date(1) }, { at: '1970-01-01T00:00:00.001Z' }],
    [
      'has the first time there is',
      WellKnown,
      { at: new Date(-62_135_596_800_000) },
      { at: '0001-01-01T00:00:00Z' },
    ],
    ['has durations in seconds', WellKnown, { span: new Duration(1n, 500_000_000) }, { span: '1.500s' }],
    ['has durations to the nanosecond', WellKnown, { span: new Duration(0n, -1) }, { span: '-0.000000001s' }],
    [
      'has durations to the microsecond',
      WellKnown,
      { span: { seconds: -3n, nanos: -1_000 } },
      { span: '-3.000001s' },
    ],
    ['has whole durations', WellKnown, { span: new Duration(0n) }, { span: '0s' }],
    [
      'has wrappers bare, zeros too',
      WellKnown,
      { text: '', long: 0n, blob: hex('01'), flag: false, double: Number.NaN },
      { text: '', long: '0', blob: 'AQ==', flag: false, double: 'NaN' },
    ],
    ['has Empty as an object', WellKnown, { empty: {} }, { empty: {} }],
  ];
  for (const [name, type, value, json] of forms)
    it(name, () => assert.deepEqual(schemaOf(type).toJson(value), json));

  it('has a map key called __proto__ as a member', () => {
    const json = schemaOf(Maps).toJson({ counts: new Map([['__proto__', 1]]) });
    assert.equal(JSON.stringify(json), '{"counts":{"__proto__":1}}');
  });

  it('has 64-bit integers as numbers where asked, as Go wants them', () => {
    const json = schemaOf(WellKnown).toJson({ long: 5n }, { int64: 'number' });
    assert.deepEqual(json, { long: 5 });
    assert.deepEqual(schemaOf(Maps).toJson({ names: new Map([[1n, 'a']]) }, { int64: 'number' }), {
      names: { 1: 'a' },
    });
    refused(
      () => schemaOf(Scalars).toJson({ int64: 2n ** 53n }, { int64: 'number' }),
      /^sample\.Scalars\.int64: 9007199254740992 is past 2\^53/,
    );
  });

  it('has enums as numbers where asked', () =>
    assert.deepEqual(schemaOf(Lists).toJson({ colors: [1, -1] }, { enums: 'number' }), { colors: [1, -1] }));

  const wrong: readonly [MessageType, object, message: RegExp][] = [
    [Scalars, { int32: '1' }, /^sample\.Scalars\.int32: expected a 32-bit integer, got "1"$/],
    [Scalars, { int64: 2 ** 53 }, /\.int64: /],
    [Scalars, { string: '\ud800' }, /\.string: /],
    [Scalars, { float: 1e39 }, /\.float: /],
    [
      Lists,
      { messages: [{}, { bool: 1 }] },
      /^sample\.Lists\.messages\[1\]\.bool: expected a boolean, got 1$/,
    ],
    [Maps, { messages: { a: { bool: 1 } } }, /^sample\.Maps\.messages\["a"\]\.bool: /],
    [Choices, { email: 'a', phone: 1n }, /^sample\.Choices\.email: phone is set too/],
    [Choices, { color: 'RED' }, /\.color: /],
    [WellKnown, { at: new Date(Number.NaN) }, /\.at: /],
    [WellKnown, { span: new Duration(1n, -1) }, /\.span: /],
  ];
  for (const [type, value, message] of wrong)
    it(`is refused with ${message.source}`, () => void refused(() => schemaOf(type).toJson(value), message));

  it('is refused for a message that contains itself', () => {
    const cycle = new Choices();
    cycle.children.push(cycle);
    refused(() => schemaOf(Choices).toJson(cycle), /more than 100 messages inside each other$/);
  });
});

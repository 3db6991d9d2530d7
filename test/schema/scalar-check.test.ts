import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Duration } from '../../src/schema/duration.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { schemaOf } from '../../src/schema/schema.js';
import { refused } from './refused.js';
import { Choices, Lists, Maps, Scalars, WellKnown } from './sample-messages.js';

function nested(depth: number): Choices {
  const top = new Choices();
  let at = top;
  for (let level = 0; level < depth; level++) at = at.other = new Choices();
  return top;
}

describe('encoding refuses', () => {
  const cycle: { children: unknown[] } = { children: [] };
  cycle.children.push(cycle);
  // Values that the compiler refuses too.
  const wrong: readonly [MessageType, object, message: RegExp][] = [
    [Scalars, { int32: '1' }, /^sample\.Scalars\.int32: expected a 32-bit integer, got "1"$/],
    [Scalars, { int32: 1.5 }, /\.int32: .* got 1\.5$/],
    [Scalars, { int32: Number.NaN }, /\.int32: .* got NaN$/],
    [Scalars, { int32: 2 ** 31 }, /\.int32: .* got 2147483648$/],
    [Scalars, { int32: true }, /\.int32: .* got true$/],
    [Scalars, { int32: 1n }, /\.int32: .* got 1n$/],
    [Scalars, { sint32: -(2 ** 31) - 1 }, /\.sint32: /],
    [Scalars, { sfixed32: 2 ** 31 }, /\.sfixed32: /],
    [Scalars, { uint32: -1 }, /\.uint32: expected a 32-bit integer from 0, got -1$/],
    [Scalars, { uint32: 2 ** 32 }, /\.uint32: /],
    [Scalars, { fixed32: -1 }, /\.fixed32: /],
    [
      Scalars,
      { int64: 2 ** 53 },
      /\.int64: expected a bigint \(or a safe integer\) of 64 bits, got 9007199254740992$/,
    ],
    [Scalars, { int64: 0.5 }, /\.int64: /],
    [Scalars, { int64: '1' }, /\.int64: /],
    [Scalars, { int64: 2n ** 63n }, /\.int64: .* got 9223372036854775808n$/],
    [Scalars, { int64: -(2n ** 63n) - 1n }, /\.int64: /],
    [Scalars, { sint64: 2n ** 63n }, /\.sint64: /],
    [Scalars, { sfixed64: 2n ** 63n }, /\.sfixed64: /],
    [Scalars, { uint64: -1n }, /\.uint64: /],
    [Scalars, { uint64: -1 }, /\.uint64: /],
    [Scalars, { uint64: 2n ** 64n }, /\.uint64: /],
    [Scalars, { fixed64: 2n ** 64n }, /\.fixed64: /],
    [Scalars, { double: '1' }, /\.double: expected a number, got "1"$/],
    [Scalars, { float: 1e39 }, /\.float: expected a number within the range of a float, got 1e\+39$/],
    [Scalars, { bool: 1 }, /\.bool: expected a boolean, got 1$/],
    [Scalars, { string: 5 }, /\.string: expected a string, got 5$/],
    [Scalars, { string: 'a\ud800b' }, /\.string: expected a string without lone surrogates/],
    [Scalars, { string: 'x'.repeat(90) + '\udc00' }, /\.string: .*"x{40}…"$/],
    [Scalars, { bytes: 'AQI=' }, /\.bytes: expected a Uint8Array, got "AQI="$/],
    [Scalars, { bytes: [1, 2] }, /\.bytes: expected a Uint8Array, got an array$/],
    [Lists, { strings: 'abc' }, /^sample\.Lists\.strings: expected an array, got "abc"$/],
    [Lists, { int32s: 5 }, /\.int32s: expected an array, got 5$/],
    [Lists, { int32s: [1, '2'] }, /\.int32s\[1\]: /],
    [Lists, { strings: ['a', undefined] }, /\.strings\[1\]: expected a string, got undefined$/],
    [Lists, { messages: [{}, {}, { int32: 'x' }] }, /^sample\.Lists\.messages\[2\]\.int32: /],
    [Lists, { messages: [null] }, /\.messages\[0\]: expected a Scalars, got null$/],
    [Lists, { colors: ['RED'] }, /\.colors\[0\]: /],
    [Lists, { times: [0] }, /\.times\[0\]: expected a valid Date, got 0$/],
    [Maps, { counts: [['a', 1]] }, /\.counts: expected a Map or a plain object, got an array$/],
    [Maps, { names: { 1: 'a' } }, /\.names: expected a Map, got an object$/],
    [Maps, { counts: new Map([[1, 1]]) }, /\.counts\[1\]: expected a string, got 1$/],
    [Maps, { counts: { a: '1' } }, /\.counts\["a"\]: /],
    [Maps, { messages: { a: { int32: 1.5 } } }, /^sample\.Maps\.messages\["a"\]\.int32: /],
    [
      Choices,
      { email: 'a', phone: 1n },
      /^sample\.Choices\.email: phone is set too, but the oneof contact has one/,
    ],
    [Choices, { scalars: [] }, /\.scalars: expected a Scalars, got an array$/],
    [Choices, { scalars: new Date() }, /\.scalars: expected a Scalars, got a Date$/],
    [Choices, { scalars: new Map() }, /\.scalars: expected a Scalars, got a Map$/],
    [Choices, { scalars: 'x' }, /\.scalars: expected a Scalars, got "x"$/],
    [Choices, { color: 'RED' }, /\.color: /],
    [Choices, { color: 2 ** 31 }, /\.color: /],
    [Choices, nested(101), /^sample\.Choices(\.other){101}: more than 100 messages inside each other$/],
    [Choices, cycle, /^sample\.Choices(\.children\[0\]){101}: more than 100 messages inside each other$/],
    [WellKnown, { at: new Date(Number.NaN) }, /\.at: expected a valid Date, got a Date$/],
    [WellKnown, { at: new Date(253_402_300_800_000) }, /\.at: expected a time in the years 1 to 9999/],
    [WellKnown, { at: '2026-01-31' }, /\.at: expected a valid Date/],
    [WellKnown, { span: new Duration(1n, -1) }, /\.span: expected a duration .* parts of one sign/],
    [
      WellKnown,
      { span: new Duration(315_576_000_001n) },
      /\.span: expected a duration of up to 10,000 years/,
    ],
    [WellKnown, { span: 5 }, /\.span: expected a Duration, got 5$/],
    [WellKnown, { text: 5 }, /\.text: expected a string, got 5$/],
    [WellKnown, { uint32: -1 }, /\.uint32: /],
  ];
  for (const [type, value, message] of wrong)
    it(`${type.name} with ${message.source}`, () => {
      const error = refused(() => schemaOf(type).encode(value), message);
      assert.equal(error.violations.length, 1);
      assert.ok(error.message.startsWith(`${schemaOf(type).name}.${error.violations[0]?.field}: `));
    });

  for (const value of [null, undefined, 5, 'x', [], () => 1])
    it(`${String(value)} or the like in place of a message`, () =>
      void refused(
        () => schemaOf(Scalars).encode(value as object),
        /^sample\.Scalars: expected a Scalars, got /,
      ));

  it('not what is 100 messages deep', () => assert.ok(schemaOf(Choices).encode(nested(100)).length > 100));

  it('nothing that a getter throws: it is passed on as it is', () => {
    const failure = new TypeError('mine');
    const value = {
      get int32(): number {
        throw failure;
      },
    };
    assert.throws(
      () => schemaOf(Scalars).encode(value),
      (reason) => reason === failure,
    );
  });
});

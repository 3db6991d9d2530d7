import { describe, it } from 'node:test';

import { Field, MapField, OneOf, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import type { MapKeyName } from '../../src/schema/field-type.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { protoEnum } from '../../src/schema/proto-enum.js';
import { schemaOf } from '../../src/schema/schema.js';
import { refused } from './refused.js';

@Message('cycle.A')
class A {}

class Dog extends A {}

/** A class that decorators, or JavaScript, would have made. */
function messageWith(
  decorate: (prototype: object) => void,
  initial: object = {},
  name = 'x.Wrong',
): MessageType {
  class Wrong {
    constructor() {
      Object.assign(this, initial);
    }
  }
  decorate(Wrong.prototype);
  Message(name)(Wrong);
  return Wrong;
}

type Decorator = (prototype: object, property: string) => void;

/** A decorator without its compile-time check: these tests are about what the compiler cannot see. */
function unchecked(decorator: unknown): Decorator {
  return decorator as Decorator;
}

function field(id: number, type: unknown = 'int32', options = {}): Decorator {
  return unchecked(Field(id, type as 'int32', options));
}

describe('a schema cannot be built', () => {
  const wrong: readonly [name: string, make: () => MessageType, message: RegExp][] = [
    [
      'without @Message',
      () => class Plain {},
      /^class Plain: it is no message; put @Message\('package\.Plain'\) on it$/,
    ],
    [
      'of a subclass without @Message',
      () => class Puppy extends Dog {},
      /^class Puppy: it is no message; put @Message\('package\.Puppy'\) on it$/,
    ],
    [
      'under an illegal name',
      () => messageWith(() => {}, {}, 'my-shop.Order'),
      /^class Wrong: "my-shop\.Order" is no proto name/,
    ],
    ['under an empty name', () => messageWith(() => {}, {}, ''), /^class Wrong: "" is no proto name/],
    ['under a name with a digit first', () => messageWith(() => {}, {}, 'a.1b'), /no proto name/],
    ['with a dot too many', () => messageWith(() => {}, {}, 'a..B'), /no proto name/],
    ...[0, -1, 1.5, Number.NaN, 2 ** 29].map((id): [string, () => MessageType, RegExp] => [
      `with id ${id}`,
      () => messageWith((to) => field(id)(to, 'n'), { n: 0 }),
      /^x\.Wrong\.n: id .+ is not possible; take one from 1 to 536870911$/,
    ]),
    ...[19_000, 19_999].map((id): [string, () => MessageType, RegExp] => [
      `with id ${id}`,
      () => messageWith((to) => field(id)(to, 'n'), { n: 0 }),
      /^x\.Wrong\.n: id \d+ is protobuf's own; take one outside 19000 to 19999$/,
    ]),
    [
      'with one id for two fields',
      () => messageWith((to) => [field(1)(to, 'a'), field(1)(to, 'b')], { a: 0, b: 0 }),
      /^x\.Wrong\.b: id 1 is that of a already; take another$/,
    ],
    [
      'with one proto name for two fields',
      () => messageWith((to) => [field(1)(to, 'fooBar'), field(2)(to, 'foo_bar')], { fooBar: 0, foo_bar: 0 }),
      /^x\.Wrong\.foo_bar: "foo_bar" is the proto name of fooBar already; rename one$/,
    ],
    [
      'with two fields on one property',
      () => messageWith((to) => [field(1)(to, 'a'), field(2)(to, 'a')], { a: 0 }),
      /^x\.Wrong\.a: it is declared as a field twice; remove one$/,
    ],
    [
      'with a property that is no proto name',
      () => messageWith((to) => field(1)(to, 'größe'), { größe: 0 }),
      /its name cannot be a proto name/,
    ],
    [
      'with a property called __proto__',
      () => messageWith((to) => field(1)(to, '__proto__')),
      /its name cannot be a proto name/,
    ],
    [
      'with an unknown type',
      () => messageWith((to) => field(1, 'int')(to, 'n'), { n: 0 }),
      /^x\.Wrong\.n: there is no type "int"/,
    ],
    [
      'with the type "toString"',
      () => messageWith((to) => field(1, 'toString')(to, 'n'), { n: 0 }),
      /there is no type "toString"/,
    ],
    [
      'with an undefined type',
      () => messageWith((to) => unchecked(Field(1, undefined as unknown as 'int32'))(to, 'n')),
      /its type is undefined, as happens where two modules import each other; write \(\) => Class$/,
    ],
    [
      'with a function that returns no class',
      () => messageWith((to) => field(1, () => undefined)(to, 'n')),
      /^x\.Wrong\.n: the function that gives its type returned undefined/,
    ],
    [
      'with a function that throws',
      () =>
        messageWith((to) =>
          field(1, () => {
            throw new ReferenceError('not yet');
          })(to, 'n'),
        ),
      /^x\.Wrong\.n: the function that gives its type failed: ReferenceError: not yet$/,
    ],
    [
      'with a class that is no message',
      () => messageWith((to) => field(1, class Plain {})(to, 'n')),
      /^class Plain: it is no message/,
    ],
    [
      'with a function that returns such a class',
      () => messageWith((to) => field(1, () => class Plain {})(to, 'n')),
      /^class Plain: it is no message/,
    ],
    [
      'with an enum without a name',
      () => messageWith((to) => field(1, { A: 0 })(to, 'n'), { n: 0 }),
      /^x\.Wrong\.n: its enum has no proto name; give it one: protoEnum/,
    ],
    [
      'with an enum without 0',
      () => messageWith((to) => field(1, protoEnum('x.E', { A: 1 }))(to, 'n'), { n: 0 }),
      /^x\.Wrong\.n: the enum x\.E has no 0/,
    ],
    [
      'with an enum of strings',
      () => messageWith((to) => field(1, protoEnum('x.E', { A: 'a' }))(to, 'n'), { n: 0 }),
      /x\.E\.A is a; the value of an enum is a 32-bit integer$/,
    ],
    [
      'with an enum past 32 bits',
      () => messageWith((to) => field(1, protoEnum('x.E', { A: 0, B: 2 ** 31 }))(to, 'n'), { n: 0 }),
      /x\.E\.B is 2147483648/,
    ],
    [
      'with an enum value that is no proto name',
      () => messageWith((to) => field(1, protoEnum('x.E', { 'a-b': 0 }))(to, 'n'), { n: 0 }),
      /x\.E has "a-b", which is no proto name$/,
    ],
    [
      'with an enum under an illegal name',
      () => messageWith((to) => field(1, protoEnum('x E', { A: 0 }))(to, 'n'), { n: 0 }),
      /the enum's name "x E" is no proto name$/,
    ],
    ...['double', 'float', 'bytes', 'google.protobuf.Duration', 'nothing'].map(
      (key): [string, () => MessageType, RegExp] => [
        `with ${key} as the key of a map`,
        () =>
          messageWith((to) => unchecked(MapField(1, key as MapKeyName, 'int32'))(to, 'm'), { m: new Map() }),
        /^x\.Wrong\.m: ".+" cannot be the key of a map; take an integer type, bool or string$/,
      ],
    ),
    [
      'with @OneOf alone',
      () => messageWith((to) => unchecked(OneOf('o'))(to, 'a')),
      /^x\.Wrong\.a: it has @OneOf and no @Field; add the @Field$/,
    ],
    [
      'with a list in a oneof',
      () =>
        messageWith((to) => [unchecked(Repeated(1, 'int32'))(to, 'a'), unchecked(OneOf('o'))(to, 'a')], {
          a: [],
        }),
      /^x\.Wrong\.a: a repeated field cannot be in a oneof/,
    ],
    [
      'with an optional member of a oneof',
      () =>
        messageWith((to) => [field(1, 'int32', { optional: true })(to, 'a'), unchecked(OneOf('o'))(to, 'a')]),
      /^x\.Wrong\.a: a member of a oneof has presence already/,
    ],
    [
      'with a oneof called like a field',
      () => messageWith((to) => [field(1)(to, 'a'), unchecked(OneOf('a'))(to, 'a')]),
      /^x\.Wrong\.a: its oneof has the name of the field a; rename it$/,
    ],
    [
      'with an illegal name of a oneof',
      () => messageWith((to) => [field(1)(to, 'a'), unchecked(OneOf('a b'))(to, 'a')]),
      /"a b" cannot be the name of a oneof$/,
    ],
    [
      'with a text that begins with another value',
      () => messageWith((to) => field(1, 'string')(to, 's'), { s: 'x' }),
      /^x\.Wrong\.s: it begins with x, but proto3 decodes absence to ''; write = '', or \{ optional: true \} and "\?"$/,
    ],
    [
      'with a number that begins with -0',
      () => messageWith((to) => field(1, 'double')(to, 'n'), { n: -0 }),
      /^x\.Wrong\.n: it begins with 0, but/,
    ],
    [
      'with a 64-bit integer that begins as a number',
      () => messageWith((to) => field(1, 'int64')(to, 'n'), { n: 0 }),
      /decodes absence to 0n; write = 0n/,
    ],
    [
      'with an enum that begins with another value',
      () => messageWith((to) => field(1, protoEnum('x.E', { A: 0, B: 1 }))(to, 'n'), { n: 1 }),
      /^x\.Wrong\.n: it begins with 1, but proto3 decodes absence to 0/,
    ],
    [
      'with no initial value',
      () => messageWith((to) => field(1, 'bool')(to, 'b')),
      /^x\.Wrong\.b: it begins with undefined, but proto3 decodes absence to false/,
    ],
    [
      'with bytes that instances share',
      () => {
        const blob = new Uint8Array();
        return messageWith((to) => field(1, 'bytes')(to, 'b'), { b: blob });
      },
      /^x\.Wrong\.b: it begins with/,
    ],
    [
      'with an optional field that has an initial value',
      () => messageWith((to) => field(1, 'int32', { optional: true })(to, 'n'), { n: 0 }),
      /^x\.Wrong\.n: a field that may be absent begins without a value; remove the initial one$/,
    ],
    [
      'with a message that has an initial value',
      () => messageWith((to) => field(1, A)(to, 'a'), { a: new A() }),
      /begins without a value/,
    ],
    [
      'with null for an absent message',
      () => messageWith((to) => field(1, A)(to, 'a'), { a: null }),
      /begins without a value/,
    ],
    [
      'with a list that begins with items',
      () => {
        class L {
          l = [1];
        }
        unchecked(Repeated(1, 'int32'))(L.prototype, 'l');
        Message('x.Wrong')(L);
        return L;
      },
      /^x\.Wrong\.l: a repeated field begins with an array of its own that is empty; write = \[\]$/,
    ],
    [
      'with a list that instances share',
      () => messageWith((to) => unchecked(Repeated(1, 'int32'))(to, 'l'), { l: [] }),
      /an array of its own/,
    ],
    [
      'without a list',
      () => messageWith((to) => unchecked(Repeated(1, 'int32'))(to, 'l')),
      /an array of its own/,
    ],
    [
      'with a map that instances share',
      () => messageWith((to) => unchecked(MapField(1, 'string', 'int32'))(to, 'm'), { m: new Map() }),
      /^x\.Wrong\.m: a map field begins with a Map of its own/,
    ],
    [
      'without a map',
      () => messageWith((to) => unchecked(MapField(1, 'string', 'int32'))(to, 'm')),
      /a Map of its own/,
    ],
    [
      'with a constructor that takes arguments',
      () => {
        class Args {
          constructor(readonly a: string) {}
        }
        Message('x.Wrong')(Args as unknown as MessageType);
        return Args as unknown as MessageType;
      },
      /^x\.Wrong: .*the constructor takes arguments; remove or default them$/,
    ],
    [
      'with a constructor that throws',
      () => {
        class Throws {
          constructor() {
            throw new Error('no');
          }
        }
        Message('x.Wrong')(Throws);
        return Throws;
      },
      /^x\.Wrong: decoding makes instances with "new Throws\(\)", but that throws: Error: no$/,
    ],
    [
      'with a reserved id',
      () => {
        class R {
          a = 0;
        }
        field(4)(R.prototype, 'a');
        Message('x.Wrong', { reserved: [4] })(R);
        return R;
      },
      /^x\.Wrong\.a: id 4 is reserved; take another$/,
    ],
    [
      'with a reserved name',
      () => {
        class R {
          fooBar = 0;
        }
        field(4)(R.prototype, 'fooBar');
        Message('x.Wrong', { reserved: ['foo_bar'] })(R);
        return R;
      },
      /^x\.Wrong\.fooBar: "foo_bar" is reserved; rename it$/,
    ],
    [
      'with two classes of one name',
      () =>
        messageWith((to) => [
          field(
            1,
            messageWith(() => {}, {}, 'x.Same'),
          )(to, 'a'),
          field(
            2,
            messageWith(() => {}, {}, 'x.Same'),
          )(to, 'b'),
        ]),
      /^x\.Same: two classes or enums have this name; rename one of them$/,
    ],
    [
      'with a class and an enum of one name',
      () => messageWith((to) => field(1, protoEnum('x.Wrong', { A: 0 }))(to, 'a'), { a: 0 }),
      /^x\.Wrong: two classes or enums have this name/,
    ],
    [
      "with a message inside another one's name",
      () =>
        messageWith((to) =>
          field(
            1,
            messageWith(() => {}, {}, 'x.Wrong.Inner'),
          )(to, 'a'),
        ),
      /^x\.Wrong: it is also the package of x\.Wrong\.Inner; rename one of them$/,
    ],
  ];
  for (const [name, make, message] of wrong)
    it(name, () => {
      const type = make();
      const error = refused(() => schemaOf(type), message, 'failed_precondition');
      refused(() => schemaOf(type), error.message, 'failed_precondition');
    });

  it('and nothing is kept of what a failing one refers to', () => {
    class Left {
      right?: object;
      broken = 1;
    }
    class Right {
      left?: Left;
    }
    field(1, () => Right)(Left.prototype, 'right');
    field(2)(Left.prototype, 'broken');
    Message('x.Left')(Left);
    field(1, () => Left)(Right.prototype, 'left');
    Message('x.Right')(Right);
    refused(() => schemaOf(Left), /^x\.Left\.broken: /, 'failed_precondition');
    refused(() => schemaOf(Right), /^x\.Left\.broken: /, 'failed_precondition');
  });
});

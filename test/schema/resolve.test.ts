import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Field, OneOf, Repeated } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import type { MessageType, Ref } from '../../src/schema/message-type.js';
import { protoEnum } from '../../src/schema/proto-enum.js';
import { shapeOf } from '../../src/schema/resolve.js';
import { schemaOf } from '../../src/schema/schema.js';

@Message('cycle.A')
class A {
  @Field(1, () => B) b?: Ref<B>;
  @Field(2, 'int32') depth = 0;
}

@Message('cycle.B')
class B {
  @Field(1, A) a?: A;
  @Repeated(2, () => B) bs: B[] = [];
}

@Message('base.Animal')
class Animal {
  @Field(3, 'string') name = '';
  @OneOf('home') @Field(4, 'string') farm?: string;
}

@Message('base.Dog')
class Dog extends Animal {
  @Field(1, 'int32') age = 0;
  @OneOf('home') @Field(5, 'string') house?: string;
}

@Message('base.Cat')
class Cat extends Animal {
  @Field(7, 'string', { optional: true }) override farm?: string = undefined;
}

function fieldsOf(type: MessageType): string[] {
  return shapeOf(type).fields.map(({ property, id, oneof }) => `${id} ${property} ${oneof ?? ''}`.trim());
}

describe('the schema of a class', () => {
  it('is built once', () => assert.equal(schemaOf(A), schemaOf(A)));

  it('has the name and the class', () => {
    assert.equal(schemaOf(A).name, 'cycle.A');
    assert.equal(schemaOf(A).type, A);
  });

  it('may refer to itself and to classes that refer back', () => {
    const value = { b: { a: { depth: 2 }, bs: [{ bs: [{}] }] } };
    const read = schemaOf(A).decode(schemaOf(A).encode(value));
    assert.equal(read.b?.a?.depth, 2);
    assert.ok(read.b.bs[0]?.bs[0] instanceof B);
    assert.ok(schemaOf(B).decode(schemaOf(B).encode({ a: { b: {} } })).a?.b instanceof B);
  });

  it('has the fields in the order of their ids', () =>
    assert.deepEqual(
      shapeOf(Dog).fields.map(({ id }) => id),
      [1, 3, 4, 5],
    ));

  it('has the fields and oneofs of the base class', () => {
    assert.deepEqual(fieldsOf(Dog), ['1 age', '3 name', '4 farm home', '5 house home']);
    assert.deepEqual(fieldsOf(Animal), ['3 name', '4 farm home']);
    assert.equal(schemaOf(Dog).decode(schemaOf(Dog).encode({ name: 'Rex', age: 3 })).name, 'Rex');
  });

  it('has a property that a subclass declares anew as the subclass says', () =>
    assert.deepEqual(fieldsOf(Cat), ['3 name', '7 farm']));

  it('may have no fields', () => {
    @Message('x.Nothing')
    class Nothing {}
    assert.equal(schemaOf(Nothing).encode({}).length, 0);
    assert.ok(schemaOf(Nothing).decode(new Uint8Array([8, 1])) instanceof Nothing);
  });

  it('takes initial values that the constructor assigns, as without useDefineForClassFields', () => {
    @Message('x.Assigned')
    class Assigned {
      @Field(1, 'string') declare name: string;
      @Repeated(2, 'int32') declare ids: number[];
      @Field(3, 'bool', { optional: true }) declare flag?: boolean;
      constructor() {
        this.name = '';
        this.ids = [];
      }
    }
    const { encode, decode } = schemaOf(Assigned);
    const read = decode(encode({ ids: [1], flag: false }));
    assert.deepEqual([read.name, read.ids, read.flag], ['', [1], false]);
  });

  it('takes a TypeScript enum that was named in place', () => {
    enum Size {
      SMALL,
      LARGE = 5,
    }
    protoEnum('x.Size', Size);
    @Message('x.Sized')
    class Sized {
      @Field(1, Size) size: Size = Size.SMALL;
    }
    assert.deepEqual(schemaOf(Sized).toJson({ size: Size.LARGE }), { size: 'LARGE' });
    assert.equal(schemaOf(Sized).fromJson({ size: 'LARGE' }).size, Size.LARGE);
  });
});

import fc from 'fast-check';
import { Any } from '../../src/schema/any.js';
import { Duration } from '../../src/schema/duration.js';
import type { MapKeyName, ScalarName } from '../../src/schema/field-type.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { shapeOf } from '../../src/schema/resolve.js';
import type {
  EnumShape,
  FieldShape,
  KnownTypes,
  MessageShape,
  ValueShape,
  WellKnownMessage,
} from '../../src/schema/shape.js';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
export const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 30 }).map((value) => new Uint8Array(value));

const scalars: Readonly<Record<ScalarName, fc.Arbitrary<unknown>>> = {
  double: fc.double(),
  float: fc.float(),
  int32,
  int64,
  uint32,
  uint64,
  sint32: int32,
  sint64: int64,
  fixed32: uint32,
  fixed64: uint64,
  sfixed32: int32,
  sfixed64: int64,
  bool: fc.boolean(),
  string: text,
  bytes,
};

const time = fc.date({
  min: new Date('0001-01-01T00:00:00Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});
const span = fc
  .tuple(fc.bigInt({ min: 0n, max: 315_575_999_999n }), fc.nat(999_999_999), fc.boolean())
  .map(([seconds, nanos, negative]) =>
    negative ? new Duration(-seconds, -nanos + 0) : new Duration(seconds, nanos),
  );

/** Instances of a message class with some of its fields set, whatever its fields are. */
export function instances<T extends object>(type: MessageType<T>): fc.Arbitrary<T> {
  // What is made of a class's shape is an instance of it.
  return messages(shapeOf(type), 3) as fc.Arbitrary<T>;
}

/** @param depth how many messages inside each other there may still be */
function messages(shape: MessageShape, depth: number): fc.Arbitrary<object> {
  const fields = shape.fields.filter(({ value }) => value.kind !== 'message' || depth > 0);
  const members = Object.fromEntries(fields.map((field) => [field.property, memberOf(field, depth - 1)]));
  return fc.record(members, { requiredKeys: [] }).map((values) => {
    // Of a oneof only the last member counts.
    const taken = new Set<string>();
    for (const { oneof, property } of fields.toReversed())
      if (oneof !== undefined && values[property] !== undefined)
        if (taken.has(oneof)) delete values[property];
        else taken.add(oneof);
    return Object.assign(new shape.type(), values);
  });
}

function memberOf({ label, key, value }: FieldShape, depth: number): fc.Arbitrary<unknown> {
  const one = valueOf(value, depth);
  if (label === 'single') return one;
  if (label === 'repeated') return fc.array(one, { maxLength: 4 });
  return fc.array(fc.tuple(keyOf(key), one), { maxLength: 4 }).map((entries) => new Map(entries));
}

function keyOf(key: MapKeyName = 'string'): fc.Arbitrary<unknown> {
  return scalars[key];
}

function valueOf(value: ValueShape, depth: number): fc.Arbitrary<unknown> {
  switch (value.kind) {
    case 'scalar':
      return scalars[value.name];
    case 'enum':
      return numberOf(value.enum);
    case 'message':
      return value.message.type === Any ? packed(value.known, depth) : messages(value.message, depth);
    case 'wellKnown':
      return wellKnownOf(value.name);
    case 'null':
      return fc.constant(null);
  }
}

/** An `Any` with a message of one of the types that it knows. */
function packed(known: KnownTypes | undefined, depth: number): fc.Arbitrary<Any> {
  const shapes = [...(known?.values() ?? [])];
  const inner = shapes.map((shape) =>
    messages(shape, Math.max(0, depth - 1)).map((message) => Any.pack(message)),
  );
  return fc.oneof(fc.constant(Any.pack(null, 'google.protobuf.Value')), ...inner);
}

function numberOf({ names }: EnumShape): fc.Arbitrary<number> {
  return fc.oneof(fc.constantFrom(...names.keys()), int32);
}

const WRAPPED: Readonly<Record<string, ScalarName>> = {
  DoubleValue: 'double',
  FloatValue: 'float',
  Int64Value: 'int64',
  UInt64Value: 'uint64',
  Int32Value: 'int32',
  UInt32Value: 'uint32',
  BoolValue: 'bool',
  StringValue: 'string',
  BytesValue: 'bytes',
};

/** JSON as `Value` holds it: every number is a double. */
const json = fc.jsonValue({ maxDepth: 3 });

function wellKnownOf(name: WellKnownMessage): fc.Arbitrary<unknown> {
  switch (name) {
    case 'google.protobuf.Timestamp':
      return time;
    case 'google.protobuf.Duration':
      return span;
    case 'google.protobuf.Struct':
      return fc.dictionary(text, json, { maxKeys: 4, noNullPrototype: true });
    case 'google.protobuf.Value':
      return json;
    case 'google.protobuf.ListValue':
      return fc.array(json, { maxLength: 4 });
  }
  const wrapped = WRAPPED[name.slice('google.protobuf.'.length)];
  return wrapped === undefined ? fc.constant(undefined) : scalars[wrapped];
}

import type { AnyOf } from './any-of.js';
import type { Duration } from './duration.js';
import type { Empty } from './empty.js';
import type { JsonObject, JsonValue } from './json-value.js';
import type { MessageType } from './message-type.js';
import type { EnumObject, EnumValue } from './proto-enum.js';

/** What a property of each scalar type holds after decoding. */
export interface ScalarValues {
  double: number;
  float: number;
  int32: number;
  int64: bigint;
  uint32: number;
  uint64: bigint;
  sint32: number;
  sint64: bigint;
  fixed32: number;
  fixed64: bigint;
  sfixed32: number;
  sfixed64: bigint;
  bool: boolean;
  string: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** proto3's fifteen scalar types. */
export type ScalarName = keyof ScalarValues;

/** The scalar types that may be the key of a map. */
export type MapKeyName = Exclude<ScalarName, 'double' | 'float' | 'bytes'>;

/** What a property of each well-known type holds after decoding. */
export interface WellKnownValues {
  'google.protobuf.Timestamp': Date;
  'google.protobuf.Duration': Duration;
  'google.protobuf.Empty': Empty;
  'google.protobuf.Struct': JsonObject;
  'google.protobuf.Value': JsonValue;
  'google.protobuf.ListValue': JsonValue[];
  'google.protobuf.NullValue': null;
  'google.protobuf.DoubleValue': number;
  'google.protobuf.FloatValue': number;
  'google.protobuf.Int64Value': bigint;
  'google.protobuf.UInt64Value': bigint;
  'google.protobuf.Int32Value': number;
  'google.protobuf.UInt32Value': number;
  'google.protobuf.BoolValue': boolean;
  'google.protobuf.StringValue': string;
  'google.protobuf.BytesValue': Uint8Array<ArrayBuffer>;
}

/** Google's types that have a form of their own in TypeScript and JSON. */
export type WellKnownName = keyof WellKnownValues;

/** What the decorators take as a field's type: a name, an enum, a message class, a function that returns it, or `Any.of`. */
export type FieldType = ScalarName | WellKnownName | EnumObject | MessageType | (() => MessageType) | AnyOf;

/** What a field of this type holds after decoding. */
export type Decoded<Type> = Type extends ScalarName
  ? ScalarValues[Type]
  : Type extends WellKnownName
    ? WellKnownValues[Type]
    : Type extends MessageType<infer Message>
      ? Message
      : Type extends () => MessageType<infer Message>
        ? Message
        : Type extends AnyOf<infer Message>
          ? Message
          : EnumValue<Type>;

/** Whether absence can be told from zero without `optional`: messages and well-known types. */
export type HasPresence<Type> = Type extends ScalarName | 'google.protobuf.NullValue'
  ? false
  : Type extends WellKnownName | MessageType | (() => MessageType) | AnyOf
    ? true
    : false;

/** What a property may be declared as at most: wider than {@link Decoded} for bytes and enums, which stay open. */
export type Accepted<Type> =
  Decoded<Type> extends Uint8Array
    ? Uint8Array
    : Type extends string | MessageType | (() => MessageType) | AnyOf
      ? Decoded<Type>
      : number;

/** Whether a property takes all that decoding gives it, and holds nothing that encoding would refuse. */
export type Holds<Property, Given, Taken> = [Given] extends [Property]
  ? [Property] extends [Taken]
    ? true
    : false
  : false;

/** How the compiler's message calls the type of a property. */
export type Called<Value> = [JsonValue] extends [Value] ? 'JsonValue' : CalledOne<Value>;

type CalledOne<Value> = Value extends string
  ? 'string'
  : Value extends number
    ? 'number'
    : Value extends bigint
      ? 'bigint'
      : Value extends boolean
        ? 'boolean'
        : Value extends Uint8Array
          ? 'Uint8Array'
          : Value extends Date
            ? 'Date'
            : Value extends null
              ? 'null'
              : Value extends JsonValue[]
                ? 'JsonValue[]'
                : Value extends JsonObject
                  ? 'JsonObject'
                  : "the field's class";

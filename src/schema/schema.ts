import { refusal } from './fault.js';
import { jsonReaderOf } from './json-read.js';
import type { JsonObject, JsonValue, JsonWriteOptions } from './json-value.js';
import { jsonWriterOf } from './json-write.js';
import type { Init, MessageType } from './message-type.js';
import { shapeOf } from './resolve.js';
import { validatorOf } from './validation.js';
import { decoderOf } from './decode.js';
import { encoderOf } from './encode.js';

export type { JsonObject, JsonValue, JsonWriteOptions };

/** Turns one class of messages into bytes and JSON, and back. Its functions may be taken apart from it. */
export interface Schema<T extends object> {
  /** The full name: `greeter.HelloRequest`. */
  readonly name: string;
  readonly type: MessageType<T>;
  /** The proto3 bytes. Throws `invalid_argument` with the field's path where a value does not fit its field. */
  encode(this: void, value: T | Init<T>): Uint8Array;
  /** A fresh instance. Unknown fields are skipped. Throws `invalid_argument` with the field's path where the bytes are wrong. */
  decode(this: void, bytes: Uint8Array): T;
  /** Canonical ProtoJSON. Throws as {@link encode} does. */
  toJson(this: void, value: T | Init<T>, options?: JsonWriteOptions): JsonValue;
  /** A fresh instance from what `JSON.parse` gave. Unknown members are skipped. Throws as {@link decode} does. */
  fromJson(this: void, json: unknown): T;
  /** Throws `invalid_argument` that lists the fields which break a class-validator rule; free for classes without rules. */
  validate(this: void, value: T): void;
}

const schemas = new WeakMap<MessageType, Schema<object>>();

/**
 * The schema of a class, built at the first call and kept.
 *
 * Throws `failed_precondition` for a class that cannot have one, and names class, field and remedy.
 */
export function schemaOf<T extends object>(type: MessageType<T>): Schema<T> {
  let schema = schemas.get(type);
  if (schema === undefined) {
    schema = buildSchema(type);
    schemas.set(type, schema);
  }
  // A class is the key of its own schema only.
  return schema as Schema<T>;
}

function buildSchema(type: MessageType): Schema<object> {
  const shape = shapeOf(type);
  const { name } = shape;
  const encoder = encoderOf(shape);
  const decoder = decoderOf(shape);
  const jsonWriter = jsonWriterOf(shape);
  const jsonReader = jsonReaderOf(shape);
  const validate = validatorOf(shape);
  return {
    name,
    type,
    encode: refusing(name, (value) => encoder.encode(value)),
    decode: refusing(name, (bytes) => decoder.decode(bytes)),
    toJson: refusing(name, (value, options?: JsonWriteOptions) => jsonWriter.write(value, options ?? {})),
    fromJson: refusing(name, (json) => jsonReader.read(json)),
    validate: refusing(name, validate),
  };
}

function refusing<Input, Option, Output>(
  name: string,
  work: (input: Input, option?: Option) => Output,
): (input: Input, option?: Option) => Output {
  return (input, option) => {
    try {
      return work(input, option);
    } catch (reason) {
      throw refusal(name, reason);
    }
  };
}

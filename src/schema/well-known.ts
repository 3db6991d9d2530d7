import type { Reader, Writer } from 'protobufjs/minimal.js';

import { readDuration, readDurationJson, writeDuration, writeDurationJson } from './duration-form.js';
import type { ScalarName, WellKnownName } from './field-type.js';
import type { JsonValue, JsonWriteOptions } from './json-value.js';
import { scalarJson } from './scalar-json.js';
import { scalars } from './scalar.js';
import { readTimestamp, readTimestampJson, writeTimestamp, writeTimestampJson } from './timestamp-form.js';
import { skipField } from './wire-read.js';

/** A message that is one value in TypeScript and JSON. */
export interface WellKnown {
  /** Checks, then writes the fields, without a length. Throws a `Fault` for a value that does not fit. */
  readonly write: (writer: Writer, value: unknown) => void;
  /** Reads up to `reader.len`. `before` is what an earlier part of the same field gave: messages are merged. */
  readonly read: (reader: Reader, before: unknown) => unknown;
  readonly toJson: (value: unknown, options: JsonWriteOptions) => JsonValue;
  readonly fromJson: (json: unknown) => unknown;
}

// The one field of a wrapper.
const VALUE_ID = 1;

/** Google's messages with a form of their own. `Empty` is a message class like any other. */
export const wellKnown: Readonly<Record<Exclude<WellKnownName, 'google.protobuf.Empty'>, WellKnown>> = {
  'google.protobuf.Timestamp': {
    write: writeTimestamp,
    read: readTimestamp,
    toJson: writeTimestampJson,
    fromJson: readTimestampJson,
  },
  'google.protobuf.Duration': {
    write: writeDuration,
    read: readDuration,
    toJson: writeDurationJson,
    fromJson: readDurationJson,
  },
  'google.protobuf.DoubleValue': wrapper('double'),
  'google.protobuf.FloatValue': wrapper('float'),
  'google.protobuf.Int64Value': wrapper('int64'),
  'google.protobuf.UInt64Value': wrapper('uint64'),
  'google.protobuf.Int32Value': wrapper('int32'),
  'google.protobuf.UInt32Value': wrapper('uint32'),
  'google.protobuf.BoolValue': wrapper('bool'),
  'google.protobuf.StringValue': wrapper('string'),
  'google.protobuf.BytesValue': wrapper('bytes'),
};

/** The well-known types that are values. */
type WellKnownValueName = keyof typeof wellKnown;

/** Whether there is a well-known type of this name that is a value. */
export function isWellKnown(name: string): name is WellKnownValueName {
  return Object.hasOwn(wellKnown, name);
}

function wrapper(name: ScalarName): WellKnown {
  const { wire, zero, isZero, write, read } = scalars[name];
  const tag = (VALUE_ID << 3) | wire;
  return {
    write(writer, value) {
      if (!isZero(value)) write(writer.uint32(tag), value);
    },
    read(reader, before) {
      let value = before ?? zero();
      while (reader.pos < reader.len) {
        const found = reader.tag();
        if (found === tag) value = read(reader);
        else skipField(reader, found);
      }
      return value;
    },
    toJson: scalarJson[name].write,
    fromJson: scalarJson[name].read,
  };
}

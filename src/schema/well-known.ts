import type { Reader, Writer } from 'protobufjs/minimal.js';

import type { Budget } from './budget.js';
import { readDuration, readDurationJson, writeDuration, writeDurationJson } from './duration-form.js';
import type { ScalarName } from './field-type.js';
import type { JsonValue, JsonWriteOptions } from './json-value.js';
import { scalarJson } from './scalar-json.js';
import { scalars } from './scalar.js';
import type { WellKnownMessage } from './shape.js';
import {
  copyList,
  copyStruct,
  copyValue,
  readList,
  readStruct,
  readValue,
  writeList,
  writeStruct,
  writeValue,
  writing,
} from './struct-form.js';
import { readTimestamp, readTimestampJson, writeTimestamp, writeTimestampJson } from './timestamp-form.js';
import { skipField } from './wire-read.js';

/** A message that is one value in TypeScript and JSON. */
export interface WellKnown {
  /** Checks, then writes the fields, without a length. Throws a `Fault` for a value that does not fit. */
  readonly write: (writer: Writer, value: unknown, depth: number) => void;
  /** Reads up to `reader.len`. `before` is what an earlier part of the same field gave: messages are merged. */
  readonly read: (reader: Reader, before: unknown, budget: Budget) => unknown;
  readonly toJson: (value: unknown, options: JsonWriteOptions, depth: number) => JsonValue;
  readonly fromJson: (json: unknown, budget: Budget) => unknown;
}

// The one field of a wrapper.
const VALUE_ID = 1;

/** Google's messages with a form of their own. `Empty` and `Any` are message classes like any other. */
export const wellKnown: Readonly<Record<WellKnownMessage, WellKnown>> = {
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
  'google.protobuf.Struct': {
    write: writeStruct,
    read: readStruct,
    toJson: writing(copyStruct),
    fromJson: copyStruct,
  },
  'google.protobuf.Value': {
    write: writeValue,
    read: readValue,
    toJson: writing(copyValue),
    fromJson: copyValue,
  },
  'google.protobuf.ListValue': {
    write: writeList,
    read: readList,
    toJson: writing(copyList),
    fromJson: copyList,
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

/** Whether there is a well-known message of this name with a form of its own. */
export function isWellKnown(name: string): name is WellKnownMessage {
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

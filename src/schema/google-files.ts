import { describeFile, tag, text, type FileDescriptor } from './descriptor-writer.js';
import type { ScalarName, WellKnownName } from './field-type.js';
import { defaultJsonName } from './proto-name.js';
import type { EnumShape, FieldShape, MessageShape, ValueShape } from './shape.js';

// Google's files of messages that every language has, as protoc brings them. Source: protobuf 3.21, src/google/protobuf/*.proto.

type Fields = readonly FieldShape[];

const NULL_VALUE: EnumShape = {
  name: 'google.protobuf.NullValue',
  values: {},
  numbers: new Map([['NULL_VALUE', 0]]),
  names: new Map([[0, 'NULL_VALUE']]),
};

/** By their paths. */
export const GOOGLE_FILES: readonly FileDescriptor[] = [
  googleFile('any', { Any: [scalar('type_url', 1, 'string'), scalar('value', 2, 'bytes')] }),
  googleFile('duration', { Duration: [scalar('seconds', 1, 'int64'), scalar('nanos', 2, 'int32')] }),
  googleFile('empty', { Empty: [] }),
  googleFile(
    'struct',
    {
      Struct: [{ ...known('fields', 1, 'google.protobuf.Value'), label: 'map', key: 'string' }],
      Value: [
        known('null_value', 1, 'google.protobuf.NullValue'),
        scalar('number_value', 2, 'double'),
        scalar('string_value', 3, 'string'),
        scalar('bool_value', 4, 'bool'),
        known('struct_value', 5, 'google.protobuf.Struct'),
        known('list_value', 6, 'google.protobuf.ListValue'),
      ].map((field) => ({ ...field, oneof: 'kind' })),
      ListValue: [{ ...known('values', 1, 'google.protobuf.Value'), label: 'repeated' }],
    },
    [NULL_VALUE],
  ),
  googleFile('timestamp', { Timestamp: [scalar('seconds', 1, 'int64'), scalar('nanos', 2, 'int32')] }),
  googleFile('wrappers', {
    DoubleValue: [scalar('value', 1, 'double')],
    FloatValue: [scalar('value', 1, 'float')],
    Int64Value: [scalar('value', 1, 'int64')],
    UInt64Value: [scalar('value', 1, 'uint64')],
    Int32Value: [scalar('value', 1, 'int32')],
    UInt32Value: [scalar('value', 1, 'uint32')],
    BoolValue: [scalar('value', 1, 'bool')],
    StringValue: [scalar('value', 1, 'string')],
    BytesValue: [scalar('value', 1, 'bytes')],
  }),
];

function googleFile(
  name: string,
  messages: Readonly<Record<string, Fields>>,
  enums: readonly EnumShape[] = [],
): FileDescriptor {
  const shapes = Object.entries(messages).map(([message, fields]): MessageShape => ({
    name: `google.protobuf.${message}`,
    // Nothing is made of them here.
    type: Object,
    fields,
    reserved: [],
  }));
  const file = {
    path: `google/protobuf/${name}.proto`,
    package: 'google.protobuf',
    messages: shapes,
    enums: new Set(enums),
    services: [],
    imports: new Set<string>(),
  };
  return describeFile(file, (to) => {
    // FileOptions, by their numbers.
    text(to, 1, 'com.google.protobuf');
    text(to, 8, `${name.charAt(0).toUpperCase()}${name.slice(1)}Proto`);
    to.uint32(tag(10, 0)).bool(true);
    text(to, 11, `google.golang.org/protobuf/types/known/${name}pb`);
    if (name !== 'any') to.uint32(tag(31, 0)).bool(true);
    text(to, 36, 'GPB');
    text(to, 37, 'Google.Protobuf.WellKnownTypes');
  });
}

function scalar(protoName: string, id: number, name: ScalarName): FieldShape {
  return field(protoName, id, { kind: 'scalar', name });
}

function known(protoName: string, id: number, name: WellKnownName): FieldShape {
  if (name === 'google.protobuf.NullValue') return field(protoName, id, { kind: 'null', name });
  // Empty is a field of none of these files.
  return field(protoName, id, { kind: 'wellKnown', name } as ValueShape);
}

function field(protoName: string, id: number, value: ValueShape): FieldShape {
  return {
    property: defaultJsonName(protoName),
    protoName,
    id,
    label: 'single',
    value,
    key: undefined,
    presence: false,
    optional: false,
    nullable: false,
    oneof: undefined,
  };
}

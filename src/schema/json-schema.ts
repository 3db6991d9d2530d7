import { OctavoError } from '../core/error.js';
import { Any } from './any.js';
import { jsonRulesOf } from './json-schema-rules.js';
import type { JsonObject } from './json-value.js';
import type { MessageType } from './message-type.js';
import type { ScalarName } from './field-type.js';
import { shapeOf } from './resolve.js';
import { schemaOf } from './schema.js';
import {
  reachable,
  type FieldShape,
  type MessageShape,
  type ValueShape,
  type WellKnownMessage,
} from './shape.js';

const INTEGER: JsonObject = { type: 'integer', format: 'int32' };
const UNSIGNED: JsonObject = { type: 'integer', format: 'uint32', minimum: 0 };
// ProtoJSON writes 64-bit integers as texts, since JSON's readers lose their last digits.
const LONG: JsonObject = { type: 'string', format: 'int64', pattern: '^-?[0-9]+$' };
const UNSIGNED_LONG: JsonObject = { type: 'string', format: 'uint64', pattern: '^[0-9]+$' };

const SCALARS: Readonly<Record<ScalarName, JsonObject>> = {
  double: { type: 'number', format: 'double' },
  float: { type: 'number', format: 'float' },
  int32: INTEGER,
  sint32: INTEGER,
  sfixed32: INTEGER,
  uint32: UNSIGNED,
  fixed32: UNSIGNED,
  int64: LONG,
  sint64: LONG,
  sfixed64: LONG,
  uint64: UNSIGNED_LONG,
  fixed64: UNSIGNED_LONG,
  bool: { type: 'boolean' },
  string: { type: 'string' },
  bytes: { type: 'string', contentEncoding: 'base64' },
};

const WELL_KNOWN: Readonly<Record<WellKnownMessage, JsonObject>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': { type: 'string', pattern: String.raw`^-?[0-9]+(\.[0-9]{1,9})?s$` },
  'google.protobuf.Struct': { type: 'object' },
  'google.protobuf.Value': {},
  'google.protobuf.ListValue': { type: 'array' },
  'google.protobuf.DoubleValue': SCALARS.double,
  'google.protobuf.FloatValue': SCALARS.float,
  'google.protobuf.Int64Value': LONG,
  'google.protobuf.UInt64Value': UNSIGNED_LONG,
  'google.protobuf.Int32Value': INTEGER,
  'google.protobuf.UInt32Value': UNSIGNED,
  'google.protobuf.BoolValue': SCALARS.bool,
  'google.protobuf.StringValue': SCALARS.string,
  'google.protobuf.BytesValue': SCALARS.bytes,
};

/** Where a document has the schemas that others refer to. */
const COMPONENTS = '#/components/schemas/';

/** The JSON Schemas (draft 2020-12) of some messages' ProtoJSON and of all that they refer to, by their full names. */
export function jsonSchemasOf(types: readonly MessageType[]): Readonly<Record<string, JsonObject>> {
  const schemas: Record<string, JsonObject> = {};
  for (const shape of reachable(...types.map(shapeOf))) {
    schemas[shape.name] = messageSchema(shape);
    for (const { value } of shape.fields)
      if (value.kind === 'enum')
        schemas[value.enum.name] = { type: 'string', enum: [...value.enum.numbers.keys()] };
  }
  return Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A reference to the schema of a message. */
export function schemaRef({ name }: Pick<MessageShape, 'name'>): JsonObject {
  return { $ref: COMPONENTS + name };
}

/**
 * The schema of a message's ProtoJSON, its class-validator rules included where JSON Schema has a word for them.
 *
 * `required` is what the rules refuse when it is not there.
 *
 * @param without fields that are elsewhere
 */
export function messageSchema(shape: MessageShape, without: readonly FieldShape[] = []): JsonObject {
  if (shape.type === Any)
    return { type: 'object', properties: { '@type': { type: 'string' } }, required: ['@type'] };
  const fields = shape.fields.filter((field) => !without.includes(field));
  const properties = Object.fromEntries(fields.map((field) => [field.property, fieldSchema(shape, field)]));
  const needed = requiredOf(shape);
  const required = fields.filter((field) => needed.has(field.property)).map(({ property }) => property);
  const oneofs = oneofsOf(fields);
  return {
    type: 'object',
    ...(fields.length > 0 && { properties }),
    ...(required.length > 0 && { required }),
    ...(oneofs.length > 0 && { allOf: oneofs }),
  };
}

/** The schema of one field's ProtoJSON. */
export function fieldSchema({ type }: MessageShape, { property, label, value }: FieldShape): JsonObject {
  const inner = valueSchema(value);
  const innerType = typeOf(inner);
  const types =
    label === 'single' ? { own: innerType, items: undefined } : { own: 'array', items: innerType };
  const { own, items } = jsonRulesOf(type, property, types);
  if (label === 'single') return { ...inner, ...own };
  const each = { ...inner, ...items };
  if (label === 'repeated') return { type: 'array', items: each, ...own };
  return { type: 'object', additionalProperties: each };
}

/** The fields without which a message breaks a rule of its class. */
export function requiredOf({ type }: MessageShape): ReadonlySet<string> {
  const schema = schemaOf(type);
  try {
    schema.validate(schema.fromJson({}));
    return new Set();
  } catch (reason) {
    if (!(reason instanceof OctavoError)) throw reason;
    return new Set(reason.violations.map(({ field }) => field));
  }
}

function valueSchema(value: ValueShape): JsonObject {
  switch (value.kind) {
    case 'scalar':
      return SCALARS[value.name];
    case 'enum':
      return schemaRef(value.enum);
    case 'message':
      return schemaRef(value.message);
    case 'wellKnown':
      return WELL_KNOWN[value.name];
    case 'null':
      return { type: 'null' };
  }
}

/** Of which rules a value can have. */
function typeOf({ type, format }: JsonObject): string | undefined {
  if (type === 'integer') return 'number';
  // A number that is written as a text has the rules of neither.
  return typeof type !== 'string' || format === 'int64' || format === 'uint64' ? undefined : type;
}

/** For each oneof that one of its members is there at most. */
function oneofsOf(fields: readonly FieldShape[]): JsonObject[] {
  const names = new Set(fields.flatMap(({ oneof }) => oneof ?? []));
  return [...names].flatMap((name) => {
    const members = fields
      .filter(({ oneof }) => oneof === name)
      .map(({ property }) => ({ required: [property] }));
    return members.length < 2 ? [] : [{ oneOf: [...members, { not: { anyOf: members } }] }];
  });
}

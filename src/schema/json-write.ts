import { checkDepth, inside } from './fault.js';
import type { MapKeyName } from './field-type.js';
import { checkOneOf, eachItem, entriesOf, isAbsent, keyed, messageOf } from './given.js';
import type { Members } from './given.js';
import { setMember } from './json-value.js';
import type { JsonValue, JsonWriteOptions } from './json-value.js';
import { asInt32 } from './scalar-check.js';
import { scalarJson, writeMapKey } from './scalar-json.js';
import { scalars } from './scalar.js';
import { rivalsOf } from './shape.js';
import type { EnumShape, FieldShape, MessageShape, ValueShape } from './shape.js';
import { wellKnown } from './well-known.js';

type ValueToJson = (value: unknown, options: JsonWriteOptions, depth: number) => JsonValue;

interface FieldToJson {
  readonly property: string;
  /** The member, or `undefined` where there is none. */
  readonly write: (message: Members, options: JsonWriteOptions, depth: number) => JsonValue | undefined;
}

/** Writes messages of one class as ProtoJSON. */
class JsonWriter {
  readonly #shape: MessageShape;
  readonly #fields: FieldToJson[] = [];

  constructor(shape: MessageShape) {
    this.#shape = shape;
  }

  /** The object for a message. Throws a {@link Fault} with the path of what does not fit. */
  write(value: unknown, options: JsonWriteOptions, depth = 0): JsonValue {
    checkDepth(depth);
    const message = messageOf(value, this.#shape.type);
    const json: Record<string, JsonValue> = {};
    for (const { property, write } of this.#fields)
      try {
        const member = write(message, options, depth);
        if (member !== undefined) json[property] = member;
      } catch (reason) {
        throw inside(`.${property}`, reason);
      }
    return json;
  }

  /** Makes the writers. Apart from the constructor, as the messages of a cycle need each other's. */
  prepare(): this {
    for (const field of this.#shape.fields)
      this.#fields.push({
        property: field.property,
        write: fieldToJson(field, rivalsOf(this.#shape, field)),
      });
    return this;
  }
}

const writers = new WeakMap<MessageShape, JsonWriter>();

/** The JSON writer of a shape, made at the first call. */
export function jsonWriterOf(shape: MessageShape): JsonWriter {
  const known = writers.get(shape);
  if (known !== undefined) return known;
  const writer = new JsonWriter(shape);
  writers.set(shape, writer);
  return writer.prepare();
}

function fieldToJson(field: FieldShape, rivals: readonly string[]): FieldToJson['write'] {
  const { property, presence } = field;
  const toJson = valueToJson(field.value);
  if (field.label === 'map') return mapToJson(property, field.key ?? 'string', toJson);
  if (field.label === 'repeated') return listToJson(property, toJson);
  const isZero = presence ? () => false : zeroTest(field.value);
  return (message, options, depth) => {
    const value = message[property];
    if (isAbsent(value) || isZero(value)) return undefined;
    checkOneOf(message, field, rivals);
    return toJson(value, options, depth);
  };
}

function zeroTest(shape: ValueShape): (value: unknown) => boolean {
  return shape.kind === 'scalar' ? scalars[shape.name].isZero : (value) => value === 0;
}

function valueToJson(shape: ValueShape): ValueToJson {
  switch (shape.kind) {
    case 'scalar':
      return scalarJson[shape.name].write;
    case 'enum':
      return enumToJson(shape.enum);
    case 'message': {
      const writer = jsonWriterOf(shape.message);
      return (value, options, depth) => writer.write(value, options, depth + 1);
    }
    case 'wellKnown':
      return wellKnown[shape.name].toJson;
  }
}

function enumToJson({ names }: EnumShape): ValueToJson {
  return (value, { enums }) => {
    const number = asInt32(value);
    return enums === 'number' ? number : (names.get(number) ?? number);
  };
}

function listToJson(property: string, toJson: ValueToJson): FieldToJson['write'] {
  return (message, options, depth) => {
    const items = message[property];
    if (isAbsent(items)) return undefined;
    const json: JsonValue[] = [];
    eachItem(items, (item) => json.push(toJson(item, options, depth)));
    return json.length === 0 ? undefined : json;
  };
}

function mapToJson(property: string, keyName: MapKeyName, toJson: ValueToJson): FieldToJson['write'] {
  return (message, options, depth) => {
    const map = message[property];
    if (isAbsent(map)) return undefined;
    let json: Record<string, JsonValue> | undefined;
    for (const [name, item] of entriesOf(map, keyName))
      try {
        json ??= {};
        setMember(json, writeMapKey(keyName, name), toJson(item, options, depth));
      } catch (reason) {
        throw inside(keyed(name), reason);
      }
    return json;
  };
}

import { Any } from './any.js';
import { anyToJson } from './any-json.js';
import type { MessageToJson } from './any-json.js';
import { checkDepth, inside, mismatch } from './fault.js';
import type { MapKeyName } from './field-type.js';
import { checkOneOf, eachItem, entriesOf, isAbsent, isUnset, keyed, messageOf } from './given.js';
import type { Members } from './given.js';
import { setMember } from './json-value.js';
import type { JsonObject, JsonValue, JsonWriteOptions } from './json-value.js';
import { asInt32 } from './scalar-check.js';
import { scalarJson, writeMapKey } from './scalar-json.js';
import { scalars } from './scalar.js';
import { rivalsOf } from './shape.js';
import type { EnumShape, FieldShape, KnownTypes, MessageShape, ValueShape } from './shape.js';
import { wellKnown } from './well-known.js';

type ValueToJson = (value: unknown, options: JsonWriteOptions, depth: number) => JsonValue;

interface FieldToJson {
  readonly property: string;
  /** The member, or `undefined` where there is none. */
  readonly write: (message: Members, options: JsonWriteOptions, depth: number) => JsonValue | undefined;
}

/** Writes messages of one class as ProtoJSON. */
class JsonWriter implements MessageToJson {
  readonly #shape: MessageShape;
  readonly #fields: FieldToJson[] = [];

  constructor(shape: MessageShape) {
    this.#shape = shape;
  }

  write(value: unknown, options: JsonWriteOptions, depth = 0): JsonObject {
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

const writers = new WeakMap<MessageShape, MessageToJson>();

/** The JSON writer of a shape, made at the first call. */
export function jsonWriterOf(shape: MessageShape): MessageToJson {
  const known = writers.get(shape);
  if (known !== undefined) return known;
  if (shape.type === Any) return anyWriter(new Map());
  const writer = new JsonWriter(shape);
  writers.set(shape, writer);
  return writer.prepare();
}

function anyWriter(known: KnownTypes): MessageToJson {
  return anyToJson(known, jsonWriterOf);
}

function fieldToJson(field: FieldShape, rivals: readonly FieldShape[]): FieldToJson['write'] {
  const { property, presence } = field;
  const toJson = valueToJson(field.value);
  if (field.label === 'map') return mapToJson(property, field.key ?? 'string', toJson);
  if (field.label === 'repeated') return listToJson(property, toJson);
  const isZero = presence ? () => false : zeroTest(field.value);
  return (message, options, depth) => {
    const value = message[property];
    if (isUnset(message, field) || isZero(value)) return undefined;
    checkOneOf(message, field, rivals);
    return toJson(value, options, depth);
  };
}

function zeroTest(shape: ValueShape): (value: unknown) => boolean {
  if (shape.kind === 'scalar') return scalars[shape.name].isZero;
  return shape.kind === 'null' ? (value) => value === null : (value) => value === 0;
}

function valueToJson(shape: ValueShape): ValueToJson {
  switch (shape.kind) {
    case 'scalar':
      return scalarJson[shape.name].write;
    case 'enum':
      return enumToJson(shape.enum);
    case 'message': {
      const writer = shape.known === undefined ? jsonWriterOf(shape.message) : anyWriter(shape.known);
      return (value, options, depth) => writer.write(value, options, depth + 1);
    }
    case 'wellKnown': {
      const { toJson } = wellKnown[shape.name];
      return (value, options, depth) => {
        checkDepth(depth + 1);
        return toJson(value, options, depth + 1);
      };
    }
    case 'null':
      return nullToJson;
  }
}

function nullToJson(value: unknown): null {
  if (value === null) return value;
  throw mismatch('null', value);
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

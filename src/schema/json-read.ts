import { Any } from './any.js';
import { jsonToAny } from './any-json.js';
import type { JsonToMessage } from './any-json.js';
import { Budget, costOf, weightOf } from './budget.js';
import { Fault, inside, mismatch } from './fault.js';
import type { MapKeyName } from './field-type.js';
import { jsonMembers, keyed } from './given.js';
import { setEntry } from './map-entry.js';
import { asInt32 } from './scalar-check.js';
import { readMapKey, scalarJson } from './scalar-json.js';
import { rivalsOf } from './shape.js';
import type { EnumShape, FieldShape, KnownTypes, MessageShape, ValueShape } from './shape.js';
import { wellKnown } from './well-known.js';

/** A message while it is filled. */
type Members = Record<string, unknown>;

type JsonToValue = (json: unknown, budget: Budget) => unknown;

interface JsonToField {
  readonly property: string;
  readonly nullable: boolean;
  readonly rivals: readonly string[];
  readonly read: JsonToValue;
}

/** Reads messages of one class from ProtoJSON. */
class JsonReader implements JsonToMessage {
  readonly weight: number;
  readonly #shape: MessageShape;
  readonly #fields = new Map<string, JsonToField>();

  constructor(shape: MessageShape) {
    this.#shape = shape;
    this.weight = weightOf(shape);
  }

  read(json: unknown, budget = new Budget()): object {
    const members = jsonMembers(json);
    // Fields are set by the names that the decorators recorded.
    const message = new this.#shape.type() as Members;
    const seen = new Set<string>();
    for (const name of Object.keys(members)) {
      const field = this.#fields.get(name);
      const value = members[name];
      if (field === undefined || value === undefined || (value === null && !field.nullable)) continue;
      try {
        if (seen.has(field.property)) throw new Fault('it is there twice, under both of its names');
        for (const rival of field.rivals)
          if (seen.has(rival)) throw new Fault(`${rival} is there too, and only one of the oneof may be`);
        seen.add(field.property);
        message[field.property] = field.read(value, budget);
      } catch (reason) {
        throw inside(`.${field.property}`, reason);
      }
    }
    return message;
  }

  /** Makes the readers. Apart from the constructor, as the messages of a cycle need each other's. */
  prepare(): this {
    for (const field of this.#shape.fields) {
      const reader = {
        property: field.property,
        nullable: field.nullable,
        rivals: rivalsOf(this.#shape, field).map(({ property }) => property),
        read: jsonToField(field),
      };
      this.#fields.set(field.property, reader);
      this.#fields.set(field.protoName, reader);
    }
    return this;
  }
}

const readers = new WeakMap<MessageShape, JsonToMessage>();

/** The JSON reader of a shape, made at the first call. */
export function jsonReaderOf(shape: MessageShape): JsonToMessage {
  const known = readers.get(shape);
  if (known !== undefined) return known;
  if (shape.type === Any) return anyReader(new Map());
  const reader = new JsonReader(shape);
  readers.set(shape, reader);
  return reader.prepare();
}

function anyReader(known: KnownTypes): JsonToMessage {
  return jsonToAny(known, jsonReaderOf);
}

function jsonToField(field: FieldShape): JsonToValue {
  const read = jsonToValue(field.value);
  const cost = costOf(field.value);
  if (field.label === 'map') return jsonToMap(field.key ?? 'string', read, cost);
  return field.label === 'repeated' ? jsonToList(read, cost) : read;
}

function jsonToValue(shape: ValueShape): JsonToValue {
  switch (shape.kind) {
    case 'scalar':
      return scalarJson[shape.name].read;
    case 'enum':
      return jsonToEnum(shape.enum);
    case 'message': {
      const reader = shape.known === undefined ? jsonReaderOf(shape.message) : anyReader(shape.known);
      return (json, budget) => {
        budget.enter(reader.weight);
        const message = reader.read(json, budget);
        budget.leave();
        return message;
      };
    }
    case 'wellKnown': {
      const { fromJson } = wellKnown[shape.name];
      return (json, budget) => {
        budget.enter(1);
        const value = fromJson(json, budget);
        budget.leave();
        return value;
      };
    }
    case 'null':
      return jsonToNull;
  }
}

function jsonToEnum({ name, numbers }: EnumShape): JsonToValue {
  return (json) => {
    if (typeof json !== 'string') return asInt32(json) + 0;
    const number = numbers.get(json);
    if (number === undefined) throw mismatch(`a name or number of ${name}`, json);
    return number;
  };
}

function jsonToNull(json: unknown): null {
  if (json === null || json === 'NULL_VALUE' || json === 0) return null;
  throw mismatch('null', json);
}

function jsonToList(read: JsonToValue, cost: number): JsonToValue {
  return (json, budget) => {
    if (!Array.isArray(json)) throw mismatch('an array', json);
    budget.take(json.length * cost);
    const items: unknown[] = [];
    try {
      for (const item of json) items.push(read(item, budget));
    } catch (reason) {
      throw inside(`[${items.length}]`, reason);
    }
    return items;
  };
}

function jsonToMap(key: MapKeyName, read: JsonToValue, cost: number): JsonToValue {
  return (json, budget) => {
    const members = jsonMembers(json);
    const map = new Map<unknown, unknown>();
    for (const member of Object.keys(members))
      try {
        budget.take(cost);
        const name = readMapKey(key, member);
        if (map.has(name)) throw new Fault('the key is there twice');
        setEntry(map, name, read(members[member], budget));
      } catch (reason) {
        throw inside(keyed(member), reason);
      }
    return map;
  };
}

import { Budget, weightOf } from './budget.js';
import { Fault, inside, mismatch } from './fault.js';
import type { MapKeyName } from './field-type.js';
import { keyed } from './given.js';
import { asInt32 } from './scalar-check.js';
import { readMapKey, scalarJson } from './scalar-json.js';
import { rivalsOf } from './shape.js';
import type { EnumShape, FieldShape, MessageShape, ValueShape } from './shape.js';
import { wellKnown } from './well-known.js';

/** A message while it is filled. */
type Members = Record<string, unknown>;

type JsonToValue = (json: unknown, budget: Budget) => unknown;

interface JsonToField {
  readonly property: string;
  readonly rivals: readonly string[];
  readonly read: JsonToValue;
}

/** Reads messages of one class from ProtoJSON. */
class JsonReader {
  readonly weight: number;
  readonly #shape: MessageShape;
  readonly #fields = new Map<string, JsonToField>();

  constructor(shape: MessageShape) {
    this.#shape = shape;
    this.weight = weightOf(shape);
  }

  /** An instance of what the JSON says. Throws a {@link Fault} with the path of what is wrong. */
  read(json: unknown, budget = new Budget()): object {
    const members = membersOf(json);
    // Fields are set by the names that the decorators recorded.
    const message = new this.#shape.type() as Members;
    const seen = new Set<string>();
    for (const name of Object.keys(members)) {
      const field = this.#fields.get(name);
      const value = members[name];
      if (field === undefined || value === null || value === undefined) continue;
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
        rivals: rivalsOf(this.#shape, field),
        read: jsonToField(field),
      };
      this.#fields.set(field.property, reader);
      this.#fields.set(field.protoName, reader);
    }
    return this;
  }
}

const readers = new WeakMap<MessageShape, JsonReader>();

/** The JSON reader of a shape, made at the first call. */
export function jsonReaderOf(shape: MessageShape): JsonReader {
  const known = readers.get(shape);
  if (known !== undefined) return known;
  const reader = new JsonReader(shape);
  readers.set(shape, reader);
  return reader.prepare();
}

function membersOf(json: unknown): Readonly<Record<string, unknown>> {
  // Members are looked up by their own names only.
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Members;
  throw mismatch('an object', json);
}

function jsonToField(field: FieldShape): JsonToValue {
  const read = jsonToValue(field.value);
  if (field.label === 'map') return jsonToMap(field.key ?? 'string', read);
  return field.label === 'repeated' ? jsonToList(read) : read;
}

function jsonToValue(shape: ValueShape): JsonToValue {
  switch (shape.kind) {
    case 'scalar':
      return scalarJson[shape.name].read;
    case 'enum':
      return jsonToEnum(shape.enum);
    case 'message': {
      const reader = jsonReaderOf(shape.message);
      return (json, budget) => {
        budget.enter(reader.weight);
        const message = reader.read(json, budget);
        budget.leave();
        return message;
      };
    }
    case 'wellKnown':
      return wellKnown[shape.name].fromJson;
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

function jsonToList(read: JsonToValue): JsonToValue {
  return (json, budget) => {
    if (!Array.isArray(json)) throw mismatch('an array', json);
    budget.take(json.length);
    const items: unknown[] = [];
    try {
      for (const item of json) items.push(read(item, budget));
    } catch (reason) {
      throw inside(`[${items.length}]`, reason);
    }
    return items;
  };
}

function jsonToMap(key: MapKeyName, read: JsonToValue): JsonToValue {
  return (json, budget) => {
    const members = membersOf(json);
    const map = new Map<unknown, unknown>();
    for (const member of Object.keys(members))
      try {
        budget.take(1);
        const name = readMapKey(key, member);
        if (map.has(name)) throw new Fault('the key is there twice');
        map.set(name, read(members[member], budget));
      } catch (reason) {
        throw inside(keyed(member), reason);
      }
    return map;
  };
}

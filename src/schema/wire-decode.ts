import { Reader } from 'protobufjs/minimal.js';

import { Budget, costOf, weightOf } from './budget.js';
import { inside, mismatch } from './fault.js';
import { keyed } from './given.js';
import { setEntry } from './map-entry.js';
import { scalars, tagOf } from './scalar.js';
import type { WireType } from './scalar.js';
import { rivalsOf } from './shape.js';
import type { FieldShape, MessageShape, ValueShape } from './shape.js';
import { wellKnown } from './well-known.js';
import type { WellKnown } from './well-known.js';
import { asFault, enter, skipField } from './wire-read.js';

/** A message while it is filled. */
type Members = Record<string, unknown>;

/** Reads one occurrence of a field, after its tag, into the message. */
type FieldReader = (reader: Reader, message: Members, budget: Budget) => void;

interface ValueReader {
  readonly wire: WireType;
  /** The value of an entry of a map that has none. */
  readonly zero: (budget: Budget) => unknown;
  /** Reads, with its length where the wire type has one. `before` is what the field holds: messages are merged into it. */
  readonly read: (reader: Reader, budget: Budget, before: unknown) => unknown;
}

// Tags up to here, those of the ids to 127, are found by index.
const DENSE_TAGS = 1_024;

/** Reads messages of one class from proto3. */
class MessageDecoder {
  readonly weight: number;
  readonly #shape: MessageShape;
  readonly #dense: (FieldReader | undefined)[] = [];
  readonly #sparse = new Map<number, FieldReader>();

  constructor(shape: MessageShape) {
    this.#shape = shape;
    this.weight = weightOf(shape);
  }

  /** An instance of what the bytes hold. Throws a {@link Fault} with the path of what is wrong. */
  decode(bytes: Uint8Array): object {
    if (!(bytes instanceof Uint8Array)) throw mismatch('a Uint8Array', bytes);
    const message = this.create();
    this.merge(new Reader(bytes), message, new Budget());
    return message;
  }

  /** A fresh instance, in which every field has its zero or is absent. */
  create(): Members {
    // Fields are set by the names that the decorators recorded.
    return new this.#shape.type() as Members;
  }

  /** Reads fields up to `reader.len`. */
  merge(reader: Reader, message: Members, budget: Budget): void {
    let tag = 0;
    try {
      while (reader.pos < reader.len) {
        tag = 0;
        tag = reader.tag();
        const read = tag < DENSE_TAGS ? this.#dense[tag] : this.#sparse.get(tag);
        if (read === undefined) skipField(reader, tag);
        else read(reader, message, budget);
      }
    } catch (reason) {
      const field = this.#shape.fields.find(({ id }) => id === tag >>> 3);
      throw inside(field === undefined ? '' : `.${field.property}`, asFault(reason));
    }
  }

  /** Makes the readers. Apart from the constructor, as the messages of a cycle need each other's decoders. */
  prepare(): this {
    const dense = Math.min(DENSE_TAGS, Math.max(0, ...this.#shape.fields.map(({ id }) => tagOf(id, 5) + 1)));
    // Filled to its length, so that it never becomes a dictionary.
    for (let tag = 0; tag < dense; tag++) this.#dense.push(undefined);
    for (const field of this.#shape.fields) {
      for (const [wire, read] of fieldReaders(field, rivalsOf(this.#shape, field))) {
        const tag = tagOf(field.id, wire);
        if (tag < DENSE_TAGS) this.#dense[tag] = read;
        else this.#sparse.set(tag, read);
      }
    }
    return this;
  }
}

const decoders = new WeakMap<MessageShape, MessageDecoder>();

/** The decoder of a shape, made at the first call. */
export function decoderOf(shape: MessageShape): MessageDecoder {
  const known = decoders.get(shape);
  if (known !== undefined) return known;
  const decoder = new MessageDecoder(shape);
  decoders.set(shape, decoder);
  return decoder.prepare();
}

function fieldReaders(field: FieldShape, rivals: readonly FieldShape[]): [WireType, FieldReader][] {
  const value = valueReader(field.value);
  if (field.label === 'map') return [[2, mapReader(field, value)]];
  if (field.label === 'repeated') {
    const item: [WireType, FieldReader] = [value.wire, itemReader(field, value)];
    return value.wire === 2 ? [item] : [item, [2, packedReader(field, value)]];
  }
  const read = singleReader(field, value);
  return [[value.wire, rivals.length === 0 ? read : oneofReader(read, rivals)]];
}

function valueReader(shape: ValueShape): ValueReader {
  switch (shape.kind) {
    case 'scalar':
      return scalars[shape.name];
    case 'enum':
      return scalars.int32;
    case 'message':
      return messageReader(decoderOf(shape.message));
    case 'wellKnown':
      return wellKnownReader(wellKnown[shape.name].read);
    case 'null':
      return { wire: 0, zero: () => null, read: (reader) => (reader.int32(), null) };
  }
}

function messageReader(decoder: MessageDecoder): ValueReader {
  return {
    wire: 2,
    zero(budget) {
      budget.take(decoder.weight);
      return decoder.create();
    },
    read(reader, budget, before) {
      const end = enter(reader);
      budget.enter(decoder.weight);
      // Only this reader has put anything there.
      const message = (before as Members | undefined) ?? decoder.create();
      decoder.merge(reader, message, budget);
      budget.leave();
      reader.len = end;
      return message;
    },
  };
}

function wellKnownReader(read: WellKnown['read']): ValueReader {
  return {
    wire: 2,
    zero: (budget) => read(new Reader(new Uint8Array()), undefined, budget),
    read(reader, budget, before) {
      const end = enter(reader);
      budget.enter(1);
      const value = read(reader, before, budget);
      budget.leave();
      reader.len = end;
      return value;
    },
  };
}

function singleReader({ property, value: { kind } }: FieldShape, { read }: ValueReader): FieldReader {
  if (kind !== 'message' && kind !== 'wellKnown')
    return (reader, message, budget) => {
      message[property] = read(reader, budget, undefined);
    };
  return (reader, message, budget) => {
    message[property] = read(reader, budget, message[property]);
  };
}

function oneofReader(read: FieldReader, rivals: readonly FieldShape[]): FieldReader {
  const others = rivals.map(({ property }) => property);
  return (reader, message, budget) => {
    for (const rival of others) if (message[rival] !== undefined) message[rival] = undefined;
    read(reader, message, budget);
  };
}

function itemReader({ property, value }: FieldShape, { read }: ValueReader): FieldReader {
  const cost = costOf(value);
  return (reader, message, budget) => {
    // The class begins with an array of its own, which was checked when the schema was built.
    const items = message[property] as unknown[];
    try {
      budget.take(cost);
      items.push(read(reader, budget, undefined));
    } catch (reason) {
      throw inside(`[${items.length}]`, asFault(reason));
    }
  };
}

function packedReader({ property }: FieldShape, { read }: ValueReader): FieldReader {
  return (reader, message, budget) => {
    const items = message[property] as unknown[]; // as in itemReader
    const end = enter(reader);
    try {
      while (reader.pos < reader.len) {
        budget.take(1);
        items.push(read(reader, budget, undefined));
      }
    } catch (reason) {
      throw inside(`[${items.length}]`, asFault(reason));
    }
    reader.len = end;
  };
}

function mapReader(
  { property, key: keyName = 'string', value: shape }: FieldShape,
  value: ValueReader,
): FieldReader {
  const cost = costOf(shape);
  const key = scalars[keyName];
  const keyTag = tagOf(1, key.wire);
  const valueTag = tagOf(2, value.wire);
  return (reader, message, budget) => {
    const map = message[property] as Map<unknown, unknown>; // as in itemReader
    const end = enter(reader);
    let name = key.zero();
    let item: unknown;
    try {
      budget.take(cost);
      while (reader.pos < reader.len) {
        const tag = reader.tag();
        if (tag === keyTag) name = key.read(reader);
        else if (tag === valueTag) item = value.read(reader, budget, item);
        else skipField(reader, tag);
      }
      setEntry(map, name, item ?? value.zero(budget));
    } catch (reason) {
      throw inside(keyed(name), asFault(reason));
    }
    reader.len = end;
  };
}

import { Writer } from 'protobufjs/minimal.js';

import { checkDepth, inside, mismatch } from './fault.js';
import type { MapKeyName } from './field-type.js';
import { checkOneOf, eachItem, entriesOf, isAbsent, isUnset, keyed, messageOf } from './given.js';
import type { Members } from './given.js';
import { asInt32 } from './scalar-check.js';
import { scalars, tagOf } from './scalar.js';
import type { WireType } from './scalar.js';
import { rivalsOf } from './shape.js';
import type { FieldShape, MessageShape, ValueShape } from './shape.js';
import { wellKnown } from './well-known.js';

/** Writes one field, tag and all, if the message has it. */
type FieldWriter = (writer: Writer, message: Members, depth: number) => void;

interface ValueWriter {
  readonly wire: WireType;
  /** Whether it is left out where absence means zero. */
  readonly isZero: (value: unknown) => boolean;
  /** Checks, then writes, with a length where the wire type has one. */
  readonly write: (writer: Writer, value: unknown, depth: number) => void;
}

/** Writes messages of one class as proto3: fields in the order of their ids, as protoc does. */
class MessageEncoder {
  readonly #shape: MessageShape;
  readonly #writers: FieldWriter[] = [];

  constructor(shape: MessageShape) {
    this.#shape = shape;
  }

  /** The bytes of a message. */
  encode(message: unknown): Uint8Array {
    const writer = Writer.create();
    this.write(writer, message, 0);
    // The writer is not used again, so that its buffer need not be copied.
    return writer.finish(true);
  }

  /** Writes the fields, without a length. Throws a {@link Fault} with the path of what does not fit. */
  write(writer: Writer, value: unknown, depth: number): void {
    checkDepth(depth);
    const message = messageOf(value, this.#shape.type);
    const writers = this.#writers;
    let at = 0;
    try {
      // Counted, not `for of`: this loop runs for every message that is sent.
      for (; at < writers.length; at++) writers[at]?.(writer, message, depth);
    } catch (reason) {
      throw inside(`.${this.#shape.fields[at]?.property}`, reason);
    }
  }

  /** Makes the writers. Apart from the constructor, as the messages of a cycle need each other's encoders. */
  prepare(): this {
    for (const field of this.#shape.fields)
      this.#writers.push(fieldWriter(field, rivalsOf(this.#shape, field)));
    return this;
  }
}

const encoders = new WeakMap<MessageShape, MessageEncoder>();

/** The encoder of a shape, made at the first call. */
export function encoderOf(shape: MessageShape): MessageEncoder {
  const known = encoders.get(shape);
  if (known !== undefined) return known;
  const encoder = new MessageEncoder(shape);
  encoders.set(shape, encoder);
  return encoder.prepare();
}

function fieldWriter(field: FieldShape, rivals: readonly FieldShape[]): FieldWriter {
  const value = valueWriter(field.value);
  if (field.label === 'map') return mapWriter(field, field.key ?? 'string', value);
  if (field.label === 'repeated')
    return value.wire === 2 ? listWriter(field, value) : packedWriter(field, value);
  if (rivals.length > 0) return oneofWriter(field, rivals, value);
  return field.presence ? presentWriter(field, value) : plainWriter(field, value);
}

function valueWriter(shape: ValueShape): ValueWriter {
  switch (shape.kind) {
    case 'scalar':
      return scalars[shape.name];
    case 'enum':
      return {
        wire: 0,
        isZero: (value) => value === 0,
        write: (writer, value) => writer.int32(asInt32(value)),
      };
    case 'message': {
      const encoder = encoderOf(shape.message);
      return delimited((writer, value, depth) => encoder.write(writer, value, depth + 1));
    }
    case 'wellKnown': {
      const { write } = wellKnown[shape.name];
      return delimited((writer, value, depth) => {
        checkDepth(depth + 1);
        write(writer, value, depth + 1);
      });
    }
    case 'null':
      return {
        wire: 0,
        isZero: (value) => value === null,
        write(writer, value) {
          if (value !== null) throw mismatch('null', value);
          writer.int32(0);
        },
      };
  }
}

function delimited(write: ValueWriter['write']): ValueWriter {
  return {
    wire: 2,
    isZero: () => false,
    write(writer, value, depth) {
      writer.fork();
      write(writer, value, depth);
      writer.ldelim();
    },
  };
}

function plainWriter({ property, id }: FieldShape, { wire, isZero, write }: ValueWriter): FieldWriter {
  const tag = tagOf(id, wire);
  return (writer, message, depth) => {
    const value = message[property];
    if (!isAbsent(value) && !isZero(value)) write(writer.uint32(tag), value, depth);
  };
}

function presentWriter(field: FieldShape, { wire, write }: ValueWriter): FieldWriter {
  const tag = tagOf(field.id, wire);
  return (writer, message, depth) => {
    if (!isUnset(message, field)) write(writer.uint32(tag), message[field.property], depth);
  };
}

function oneofWriter(field: FieldShape, rivals: readonly FieldShape[], value: ValueWriter): FieldWriter {
  const write = presentWriter(field, value);
  return (writer, message, depth) => {
    checkOneOf(message, field, rivals);
    write(writer, message, depth);
  };
}

function listWriter({ property, id }: FieldShape, { wire, write }: ValueWriter): FieldWriter {
  const tag = tagOf(id, wire);
  return (writer, message, depth) => {
    const items = message[property];
    if (isAbsent(items)) return;
    eachItem(items, (item) => write(writer.uint32(tag), item, depth));
  };
}

function packedWriter({ property, id }: FieldShape, { write }: ValueWriter): FieldWriter {
  const tag = tagOf(id, 2);
  return (writer, message, depth) => {
    const items = message[property];
    if (isAbsent(items) || (Array.isArray(items) && items.length === 0)) return;
    writer.uint32(tag).fork();
    eachItem(items, (item) => write(writer, item, depth));
    writer.ldelim();
  };
}

function mapWriter({ property, id }: FieldShape, keyName: MapKeyName, value: ValueWriter): FieldWriter {
  const key = scalars[keyName];
  const tag = tagOf(id, 2);
  const keyTag = tagOf(1, key.wire);
  const valueTag = tagOf(2, value.wire);
  return (writer, message, depth) => {
    const map = message[property];
    if (isAbsent(map)) return;
    for (const [name, item] of entriesOf(map, keyName))
      try {
        key.write(writer.uint32(tag).fork().uint32(keyTag), name);
        value.write(writer.uint32(valueTag), item, depth);
        writer.ldelim();
      } catch (reason) {
        throw inside(keyed(name), reason);
      }
  };
}

import { invalidArgument } from '../core/error.js';
import type { MessageType } from './message-type.js';
import { shapeOf } from './resolve.js';
import { schemaOf } from './schema.js';

/** A message that is no more than the value of its one field. */
export interface OnlyField {
  /** A fresh instance around a value, which has to be of the field's type. */
  read(value: unknown): object;
  /** The value in a message. Throws `invalid_argument` for what is none. */
  write(message: unknown): unknown;
}

const known = new WeakMap<MessageType, OnlyField>();

/** The one field of a class. Throws `invalid_argument` for a class that has others, or none of this type. */
export function onlyField(type: MessageType, scalar: 'bytes' | 'string'): OnlyField {
  const found = known.get(type);
  const { name, fields } = shapeOf(type);
  const [field] = fields;
  if (
    fields.length !== 1 ||
    field?.label !== 'single' ||
    field.value.kind !== 'scalar' ||
    field.value.name !== scalar
  )
    throw invalidArgument(
      `${name} is not one field of ${scalar}, which is all that this content type carries: use another one`,
    );
  if (found !== undefined) return found;
  const { property } = field;
  const { encode, decode } = schemaOf(type);
  const only: OnlyField = {
    read: (value) => Object.assign(new type(), { [property]: value }),
    // By way of the bytes, which checks the value, and gives what it is where it is not given.
    write: (message) => (decode(encode(message as object)) as Readonly<Record<string, unknown>>)[property],
  };
  known.set(type, only);
  return only;
}

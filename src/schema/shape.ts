import type { MapKeyName, ScalarName, WellKnownName } from './field-type.js';
import type { MessageType } from './message-type.js';

/** The type of a field, of a list's items or of a map's values. */
export type ValueShape =
  | { readonly kind: 'scalar'; readonly name: ScalarName }
  | { readonly kind: 'enum'; readonly enum: EnumShape }
  | { readonly kind: 'message'; readonly message: MessageShape; readonly known?: KnownTypes }
  | { readonly kind: 'wellKnown'; readonly name: WellKnownMessage }
  | { readonly kind: 'null'; readonly name: 'google.protobuf.NullValue' };

/** The well-known types that are messages with a form of their own. */
export type WellKnownMessage = Exclude<WellKnownName, 'google.protobuf.Empty' | 'google.protobuf.NullValue'>;

/** The messages that an `Any` knows beside the well-known ones, by their full names. */
export type KnownTypes = ReadonlyMap<string, MessageShape>;

/** One enum, resolved and checked. */
export interface EnumShape {
  readonly name: string;
  /** The object that names it. */
  readonly values: object;
  readonly numbers: ReadonlyMap<string, number>;
  /** The first name of each number. */
  readonly names: ReadonlyMap<number, string>;
}

/** One field, resolved. */
export interface FieldShape {
  readonly property: string;
  readonly protoName: string;
  readonly id: number;
  readonly label: 'single' | 'repeated' | 'map';
  readonly value: ValueShape;
  /** Of the keys, where it is a map. */
  readonly key: MapKeyName | undefined;
  /** Whether absent and zero are told apart: `optional`, a member of a oneof, a message. */
  readonly presence: boolean;
  readonly optional: boolean;
  /** Whether null is one of its values, and only `undefined` is absence. */
  readonly nullable: boolean;
  readonly oneof: string | undefined;
}

/** One message class, resolved and checked. */
export interface MessageShape {
  readonly name: string;
  readonly type: MessageType;
  /** In ascending order of ids. */
  readonly fields: readonly FieldShape[];
  readonly reserved: readonly (number | string)[];
}

/** The message itself and every message that it refers to, directly or not, once each. */
export function reachable(...roots: readonly MessageShape[]): ReadonlySet<MessageShape> {
  const found = new Set(roots);
  // A set's loop also visits what is added on the way.
  for (const { fields } of found)
    for (const { value } of fields) if (value.kind === 'message') found.add(value.message);
  return found;
}

/** The other members of a field's oneof; none where it is in no oneof. */
export function rivalsOf({ fields }: MessageShape, { property, oneof }: FieldShape): readonly FieldShape[] {
  return oneof === undefined
    ? []
    : fields.filter((field) => field.oneof === oneof && field.property !== property);
}

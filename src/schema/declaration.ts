import { unfit } from './fault.js';
import type { FieldType, MapKeyName } from './field-type.js';

/** One `@Field`, `@Repeated` or `@MapField` as it was written. */
export interface FieldDeclaration {
  readonly property: string;
  readonly id: number;
  readonly label: 'single' | 'repeated' | 'map';
  /** Of the values, where it is a map. `undefined` where an import cycle left the class without a value. */
  readonly type: FieldType | undefined;
  /** Of the keys, where it is a map. */
  readonly key?: MapKeyName;
  /** Whether zero and absent are told apart by proto3's `optional`. */
  readonly optional: boolean;
}

/** Ids and names that fields of old used and none may use again. */
export type Reserved = readonly (number | string)[];

/** What the decorators of one class say, without what it inherits. */
export interface Declaration {
  readonly message?: { readonly name: string; readonly reserved: Reserved };
  readonly fields: readonly FieldDeclaration[];
  /** Property to name of the oneof. */
  readonly oneofs: ReadonlyMap<string, string>;
  /** Properties that no log may show. */
  readonly sensitive: ReadonlySet<string>;
}

interface Draft extends Declaration {
  message?: { readonly name: string; readonly reserved: Reserved };
  readonly fields: FieldDeclaration[];
  readonly oneofs: Map<string, string>;
  readonly sensitive: Set<string>;
}

const drafts = new WeakMap<object, Draft>();

/** Records that a class is a message. */
export function declareMessage(type: object, name: string, reserved: Reserved): void {
  draftOf(type).message = { name, reserved };
}

/** Records a field. `prototype` is what a property decorator is given. */
export function declareField(prototype: object, field: FieldDeclaration): void {
  if (typeof prototype === 'function')
    throw unfit(`${prototype.name}.${field.property}`, 'a field belongs to each message; remove "static"');
  draftOf(prototype.constructor).fields.push(field);
}

/** Records that a property belongs to a oneof. */
export function declareOneOf(prototype: object, property: string, oneof: string): void {
  draftOf(prototype.constructor).oneofs.set(property, oneof);
}

/** Records that no log may show a property. */
export function declareSensitive(prototype: object, property: string): void {
  draftOf(prototype.constructor).sensitive.add(property);
}

/** What was recorded about this class itself. */
export function declarationOf(type: object): Declaration | undefined {
  return drafts.get(type);
}

function draftOf(type: object): Draft {
  let draft = drafts.get(type);
  if (draft === undefined) {
    draft = { fields: [], oneofs: new Map(), sensitive: new Set() };
    drafts.set(type, draft);
  }
  return draft;
}

import { Fault, inside, mismatch } from './fault.js';
import type { MapKeyName } from './field-type.js';
import type { MessageType } from './message-type.js';
import type { FieldShape } from './shape.js';

/** A message as its fields are read: instance or plain object. */
export type Members = Readonly<Record<string, unknown>>;

/** Whether it is an object that was written as one, and no instance of a class. */
export function isPlain(value: unknown): value is Members {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Each realm, such as a test's, has an Object.prototype of its own.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Whether a message has no value for a field. */
export function isUnset(message: Members, { property, nullable }: FieldShape): boolean {
  const value = message[property];
  return value === undefined || (value === null && !nullable);
}

/** Whether a field was given no value. */
export function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

/** The value as a message of this class; a plain object will do. Throws a {@link Fault} for lists and other values. */
export function messageOf(value: unknown, type: MessageType): Members {
  if (typeof value === 'object' && value !== null) {
    const fits =
      Object.getPrototypeOf(value) === Object.prototype ||
      value instanceof type ||
      !(Array.isArray(value) || value instanceof Date || value instanceof Map || ArrayBuffer.isView(value));
    // Whatever its class is, its members are looked up and checked one by one.
    if (fits) return value as Members;
  }
  throw mismatch(`a ${type.name}`, value);
}

/** The members of a JSON object. Throws a {@link Fault} for other JSON. */
export function jsonMembers(json: unknown): Members {
  // Members are looked up by their own names only.
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Members;
  throw mismatch('an object', json);
}

/** Calls `visit` with each item of a list. Throws a {@link Fault} with the index where one does not fit. */
export function eachItem(items: unknown, visit: (item: unknown) => void): void {
  if (!Array.isArray(items)) throw mismatch('an array', items);
  let at = 0;
  try {
    for (; at < items.length; at++) visit(items[at]);
  } catch (reason) {
    throw inside(`[${at}]`, reason);
  }
}

/** The entries of a map; where the keys are strings, a plain object will do. */
export function entriesOf(map: unknown, key: MapKeyName): Iterable<readonly [unknown, unknown]> {
  if (map instanceof Map) return map;
  if (key === 'string' && isPlain(map)) return Object.entries(map);
  throw mismatch(key === 'string' ? 'a Map or a plain object' : 'a Map', map);
}

const SHOWN_KEY_LENGTH = 40;

/** The segment of a path for an entry of a map: `["key"]`. */
export function keyed(key: unknown): string {
  return `[${typeof key === 'string' ? JSON.stringify(key.slice(0, SHOWN_KEY_LENGTH)) : String(key)}]`;
}

/** Throws where a field and another member of its oneof are both set. */
export function checkOneOf(message: Members, field: FieldShape, others: readonly FieldShape[]): void {
  if (isUnset(message, field)) return;
  for (const other of others)
    if (!isUnset(message, other))
      throw new Fault(
        `${other.property} is set too, but the oneof ${field.oneof} has one of them; set the other to undefined`,
      );
}

import type { JsonObject } from './json-value.js';

/** A class with `@Message`, as a value: what `@Handler`, `schemaOf` and codecs are given. */
export type MessageType<T extends object = object> = new () => T;

/**
 * The same type. Written as `parent?: Ref<Node>`, it keeps TypeScript's decorator metadata from naming a class that is
 * declared further down or in a module that imports this one, which would fail while loading.
 */
export type Ref<T> = T;

/**
 * What may be given where a `T` is sent: every field optional, at every depth, as a plain object or an instance.
 *
 * `Date`, `Uint8Array` and `Map` stay what they are; a `Map` with string keys may also be a plain object. Methods are left out.
 */
export type Init<T> = T extends Kept
  ? T
  : T extends Uint8Array
    ? Uint8Array
    : T extends ReadonlyMap<infer Key, infer Value>
      ? InitMap<Key, Value>
      : T extends readonly (infer Item)[]
        ? readonly Init<Item>[]
        : T extends JsonObject
          ? T
          : T extends object
            ? {
                readonly [Name in keyof T as T[Name] extends Method ? never : Name]?:
                  Init<T[Name]> | undefined;
              }
            : T;

type Kept = string | number | bigint | boolean | null | undefined | Date;

type Method = (...args: never[]) => unknown;

type InitMap<Key, Value> =
  ReadonlyMap<Key, Init<Value>> | ([Key] extends [string] ? Readonly<Record<Key, Init<Value>>> : never);

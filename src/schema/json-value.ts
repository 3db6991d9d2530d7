/** What `JSON.parse` gives and `JSON.stringify` takes. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** How {@link Schema.toJson} writes what plain JSON readers disagree about. The defaults are ProtoJSON's. */
export interface JsonWriteOptions {
  /** 64-bit integers. As a number, one past 2^53 is refused. @defaultValue `'string'` */
  readonly int64?: 'string' | 'number';
  /** Enum values. A number without a name is always a number. @defaultValue `'name'` */
  readonly enums?: 'name' | 'number';
}

/** Sets an own member, also one called `__proto__`. */
export function setMember(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}

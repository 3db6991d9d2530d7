import { unfit } from './fault.js';
import type { MapKeyName } from './field-type.js';
import type { MessageType } from './message-type.js';
import { isFullName, isIdentifier, packageOf } from './proto-name.js';
import { isMapKey, scalars } from './scalar.js';
import { reachable } from './shape.js';
import type { FieldShape, MessageShape } from './shape.js';

const MAX_ID = 2 ** 29 - 1;
const KEPT_IDS = { first: 19_000, last: 19_999 };

/** Throws for a message name that proto does not allow. */
export function checkMessageName(type: MessageType, name: string): void {
  if (!isFullName(name))
    throw unfit(
      `class ${type.name}`,
      `"${name}" is no proto name; write one such as @Message('package.${type.name}')`,
    );
}

/** Throws where two classes or enums have one full name, or where a message has the name of another's package. */
export function checkNames(root: MessageShape): void {
  const owners = new Map<string, object>();
  const packages = new Map<string, string>();
  const add = (name: string, owner: object): void => {
    const other = owners.get(name) ?? owner;
    if (other !== owner) throw unfit(name, `two classes or enums have this name; rename one of them`);
    owners.set(name, owner);
    packages.set(packageOf(name), name);
  };
  for (const { name, type, fields } of reachable(root)) {
    add(name, type);
    for (const { value } of fields) if (value.kind === 'enum') add(value.enum.name, value.enum.values);
  }
  for (const name of owners.keys())
    if (packages.has(name))
      throw unfit(name, `it is also the package of ${packages.get(name)}; rename one of them`);
}

/** Throws for a type that cannot be the key of a map. */
export function checkMapKey(key: MapKeyName | undefined, where: string): void {
  if (key === undefined || !isMapKey(key))
    throw unfit(where, `"${String(key)}" cannot be the key of a map; take an integer type, bool or string`);
}

/** Throws for ids and names that proto does not allow, or that are used twice. */
export function checkFields({ name, fields, reserved }: MessageShape): void {
  const ids = new Map<number, string>();
  const names = new Map<string, string>();
  const properties = new Set<string>();
  for (const field of fields) {
    const where = `${name}.${field.property}`;
    if (properties.has(field.property)) throw unfit(where, 'it is declared as a field twice; remove one');
    properties.add(field.property);
    checkId(field.id, where);
    if (!isIdentifier(field.property) || !isIdentifier(field.protoName) || field.property === '__proto__')
      throw unfit(where, 'its name cannot be a proto name; use letters, digits and _');
    if (ids.has(field.id))
      throw unfit(where, `id ${field.id} is that of ${ids.get(field.id)} already; take another`);
    if (names.has(field.protoName))
      throw unfit(
        where,
        `"${field.protoName}" is the proto name of ${names.get(field.protoName)} already; rename one`,
      );
    if (reserved.includes(field.id)) throw unfit(where, `id ${field.id} is reserved; take another`);
    if (reserved.includes(field.protoName)) throw unfit(where, `"${field.protoName}" is reserved; rename it`);
    ids.set(field.id, field.property);
    names.set(field.protoName, field.property);
  }
  checkOneOfs(name, fields, names);
}

function checkId(id: number, where: string): void {
  if (!Number.isInteger(id) || id < 1 || id > MAX_ID)
    throw unfit(where, `id ${id} is not possible; take one from 1 to ${MAX_ID}`);
  if (id >= KEPT_IDS.first && id <= KEPT_IDS.last)
    throw unfit(where, `id ${id} is protobuf's own; take one outside ${KEPT_IDS.first} to ${KEPT_IDS.last}`);
}

function checkOneOfs(name: string, fields: readonly FieldShape[], names: ReadonlyMap<string, string>): void {
  for (const { property, oneof, optional } of fields) {
    if (oneof === undefined) continue;
    const where = `${name}.${property}`;
    if (!isIdentifier(oneof)) throw unfit(where, `"${oneof}" cannot be the name of a oneof`);
    if (names.has(oneof))
      throw unfit(where, `its oneof has the name of the field ${names.get(oneof)}; rename it`);
    if (optional)
      throw unfit(where, 'a member of a oneof has presence already; leave out { optional: true }');
  }
}

/** Throws unless `new` works without arguments and every field begins with the value that absence decodes to. */
export function checkInitialValues({ name, type, fields }: MessageShape): void {
  const [first, second] = [construct(name, type), construct(name, type)];
  for (const field of fields) {
    const value = first[field.property];
    const where = `${name}.${field.property}`;
    const shared = typeof value === 'object' && value !== null && value === second[field.property];
    if (field.label === 'repeated') {
      if (!Array.isArray(value) || value.length > 0 || shared)
        throw unfit(where, 'a repeated field begins with an array of its own that is empty; write = []');
    } else if (field.label === 'map') {
      if (!(value instanceof Map) || value.size > 0 || shared)
        throw unfit(where, 'a map field begins with a Map of its own that is empty; write = new Map()');
    } else if (field.presence) {
      if (value !== undefined)
        throw unfit(where, 'a field that may be absent begins without a value; remove the initial one');
    } else if (!isInitial(field, value) || shared) {
      throw unfit(
        where,
        `it begins with ${String(value)}, but proto3 decodes absence to ${remedyFor(field)}`,
      );
    }
  }
}

function construct(name: string, type: MessageType): Readonly<Record<string, unknown>> {
  const problem = `decoding makes instances with "new ${type.name}()", but`;
  if (type.length > 0)
    throw unfit(name, `${problem} the constructor takes arguments; remove or default them`);
  try {
    // Its members are looked up by the names that the decorators recorded.
    return new type() as Readonly<Record<string, unknown>>;
  } catch (reason) {
    throw unfit(name, `${problem} that throws: ${String(reason)}`, reason);
  }
}

function isInitial({ value: shape }: FieldShape, value: unknown): boolean {
  if (shape.kind !== 'scalar') return value === (shape.kind === 'null' ? null : 0);
  const { isZero, zero } = scalars[shape.name];
  // A number is a zero that encodes in a 64-bit field, but not the one that decodes.
  return isZero(value) && typeof value === typeof zero();
}

function remedyFor({ value: shape }: FieldShape): string {
  const other = shape.kind === 'null' ? 'null' : '0';
  const zero = shape.kind === 'scalar' ? scalars[shape.name].written : other;
  return `${zero}; write = ${zero}, or { optional: true } and "?"`;
}

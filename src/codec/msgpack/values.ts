import { invalidArgument } from '../../core/error.js';
import { setMember } from '../../schema/json-value.js';
import type { FieldShape, MessageShape, ValueShape } from '../../schema/shape.js';

const LEAST = -(2n ** 63n);
const MOST = 2n ** 64n;
/** Within these an integer is packed as one, not as a float. */
const SHORT = 2 ** 31;

/** ProtoJSON of a message as MessagePack has it: integers of 64 bits, floats and bytes are not text. */
export function packed({ fields }: MessageShape, json: unknown): unknown {
  // ProtoJSON of a message whose fields are known is an object.
  const given = json as Readonly<Record<string, unknown>>;
  const members: Record<string, unknown> = {};
  for (const field of fields) {
    const value = given[field.property];
    if (Object.hasOwn(given, field.property)) setMember(members, field.property, packedField(field, value));
  }
  return members;
}

function packedField({ label, value: shape }: FieldShape, json: unknown): unknown {
  if (label === 'repeated') return (json as readonly unknown[]).map((each) => packedValue(shape, each));
  if (label === 'single') return packedValue(shape, json);
  const entries: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(json as object)) setMember(entries, key, packedValue(shape, each));
  return entries;
}

function packedValue(shape: ValueShape, json: unknown): unknown {
  // A message without fields of its own has a form of its own, which is left to it.
  if (shape.kind === 'message') return shape.known === undefined ? packed(shape.message, json) : json;
  if (shape.kind !== 'scalar' || typeof json !== 'string') return json;
  switch (shape.name) {
    case 'int64':
    case 'sint64':
    case 'sfixed64':
    case 'uint64':
    case 'fixed64':
      return Math.abs(Number(json)) < SHORT ? Number(json) : BigInt(json);
    case 'double':
    case 'float':
      return Number(json);
    case 'bytes':
      return Buffer.from(json, 'base64');
    default:
      return json;
  }
}

/** What was unpacked, as JSON. */
export function jsonOf(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return mapped(value, jsonOf);
}

/** What was unpacked, as who has no class for it gets it. */
export function loose(value: unknown): unknown {
  return value instanceof Uint8Array ? new Uint8Array(value) : mapped(value, loose);
}

/** A value that has a form in MessagePack. Throws `invalid_argument` for others, and for more levels. */
export function packable(value: unknown, levels: number): unknown {
  switch (typeof value) {
    case 'string':
      if (!/\p{Surrogate}/u.test(value)) return value;
      break;
    case 'bigint':
      if (value >= LEAST && value < MOST) return value;
      break;
    case 'number':
    case 'boolean':
      return value;
    case 'object':
      if (value === null || value instanceof Uint8Array) return value;
      if (levels === 0) throw invalidArgument('the value has too many lists and objects inside each other');
      if (Array.isArray(value) || isPlain(value)) return mapped(value, (each) => packable(each, levels - 1));
  }
  throw invalidArgument(
    `a ${typeof value} has no form in MessagePack: give what JSON has, bytes, or a bigint of 64 bits`,
  );
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The same list or object with other values in it; anything else as it is. */
function mapped(value: unknown, change: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(change);
  if (typeof value !== 'object' || value === null) return value;
  const members: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) setMember(members, name, change(member));
  return members;
}

import type { Reader, Writer } from 'protobufjs/minimal.js';

import type { MapKeyName, ScalarName } from './field-type.js';
import { readBytes, toSigned, toUnsigned } from './wire-read.js';
import {
  asBool,
  asBytes,
  asDouble,
  asFloat,
  asInt32,
  asInt64,
  asText,
  asUint32,
  asUint64,
} from './scalar-check.js';

/** How a value is laid out: a varint, 8 bytes, a length and that many bytes, or 4 bytes. */
export type WireType = 0 | 1 | 2 | 5;

/** What is known about one scalar type. */
interface Scalar {
  readonly wire: WireType;
  /** What an absent field decodes to; a new one each time, as bytes can be written to. */
  readonly zero: () => unknown;
  /** The zero as TypeScript. */
  readonly written: string;
  /** Whether it is what proto3 leaves out; -0.0 is not. */
  readonly isZero: (value: unknown) => boolean;
  /** Checks, then writes. Throws a `Fault` for a value that does not fit. */
  readonly write: (writer: Writer, value: unknown) => void;
  readonly read: (reader: Reader) => unknown;
}

/** proto3's scalar types. */
export const scalars: Readonly<Record<ScalarName, Scalar>> = {
  double: { ...float(1), write: (to, value) => to.double(asDouble(value)), read: (from) => from.double() },
  float: { ...float(5), write: (to, value) => to.float(asFloat(value)), read: (from) => from.float() },
  int32: { ...integer(0), write: (to, value) => to.int32(asInt32(value)), read: (from) => from.int32() },
  uint32: { ...integer(0), write: (to, value) => to.uint32(asUint32(value)), read: (from) => from.uint32() },
  sint32: { ...integer(0), write: (to, value) => to.sint32(asInt32(value)), read: (from) => from.sint32() },
  fixed32: {
    ...integer(5),
    write: (to, value) => to.fixed32(asUint32(value)),
    read: (from) => from.fixed32(),
  },
  sfixed32: {
    ...integer(5),
    write: (to, value) => to.sfixed32(asInt32(value)),
    read: (from) => from.sfixed32(),
  },
  int64: {
    ...long(0),
    write: (to, value) => to.int64(halves(asInt64(value))),
    read: (from) => toSigned(from.int64()),
  },
  uint64: {
    ...long(0),
    write: (to, value) => to.uint64(halves(asUint64(value))),
    read: (from) => toUnsigned(from.uint64()),
  },
  sint64: {
    ...long(0),
    write: (to, value) => to.sint64(halves(asInt64(value))),
    read: (from) => toSigned(from.sint64()),
  },
  fixed64: {
    ...long(1),
    write: (to, value) => to.fixed64(halves(asUint64(value))),
    read: (from) => toUnsigned(from.fixed64()),
  },
  sfixed64: {
    ...long(1),
    write: (to, value) => to.sfixed64(halves(asInt64(value))),
    read: (from) => toSigned(from.sfixed64()),
  },
  bool: {
    wire: 0,
    zero: () => false,
    written: 'false',
    isZero: (value) => value === false,
    write: (to, value) => to.bool(asBool(value)),
    read: (from) => from.bool(),
  },
  string: {
    wire: 2,
    zero: () => '',
    written: "''",
    isZero: (value) => value === '',
    write: (to, value) => to.string(asText(value)),
    read: (from) => from.stringVerify(),
  },
  bytes: {
    wire: 2,
    zero: () => new Uint8Array(),
    written: 'new Uint8Array()',
    isZero: (value) => value instanceof Uint8Array && value.length === 0,
    write: (to, value) => to.bytes(asBytes(value)),
    read: readBytes,
  },
};

/** Whether there is a scalar type of this name. */
export function isScalar(name: string): name is ScalarName {
  return Object.hasOwn(scalars, name);
}

/** Whether a scalar type may be the key of a map. */
export function isMapKey(name: string): name is MapKeyName {
  return isScalar(name) && name !== 'double' && name !== 'float' && name !== 'bytes';
}

/** What stands before a field's value: its id and wire type, without a sign. */
export function tagOf(id: number, wire: WireType): number {
  return ((id << 3) | wire) >>> 0;
}

type Layout = Omit<Scalar, 'write' | 'read'>;

function integer(wire: WireType): Layout {
  return { wire, zero: () => 0, written: '0', isZero: (value) => value === 0 };
}

function float(wire: WireType): Layout {
  return { wire, zero: () => 0, written: '0', isZero: (value) => Object.is(value, 0) };
}

function long(wire: WireType): Layout {
  return { wire, zero: () => 0n, written: '0n', isZero: (value) => value === 0n || value === 0 };
}

type Long = Exclude<Parameters<Writer['int64']>[0], number | string>;

const long64 = { low: 0, high: 0 };

/** What protobufjs takes for a 64-bit integer. It reads the two halves at once, so that one object serves for all. */
function halves(value: bigint | number): Long | number {
  if (typeof value === 'number') return value;
  const near = Number(value);
  if (Number.isSafeInteger(near)) return near;
  long64.low = Number(BigInt.asIntN(32, value));
  long64.high = Number(BigInt.asIntN(32, value >> 32n));
  // Of a Long, the writer looks at these two members only.
  return long64 as Long;
}

import { Fault, mismatch } from './fault.js';
import type { MapKeyName, ScalarName } from './field-type.js';
import type { JsonValue, JsonWriteOptions } from './json-value.js';
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

/** How values of one scalar type look in ProtoJSON. */
interface ScalarJson {
  /** Checks, then writes. Throws a {@link Fault} for a value that does not fit. */
  readonly write: (value: unknown, options: JsonWriteOptions) => JsonValue;
  /** Throws a {@link Fault} for JSON of another form, or out of range. */
  readonly read: (json: unknown) => unknown;
}

const int32: ScalarJson = { write: asInt32, read: (json) => asInt32(readNumber(json)) + 0 };
const uint32: ScalarJson = { write: asUint32, read: (json) => asUint32(readNumber(json)) + 0 };
const int64: ScalarJson = {
  write: (value, options) => writeLong(asInt64(value), options),
  read: (json) => BigInt(asInt64(readLong(json))),
};
const uint64: ScalarJson = {
  write: (value, options) => writeLong(asUint64(value), options),
  read: (json) => BigInt(asUint64(readLong(json))),
};

/** ProtoJSON of the scalar types. Source: protobuf.dev/programming-guides/json. */
export const scalarJson: Readonly<Record<ScalarName, ScalarJson>> = {
  double: { write: (value) => writeDouble(asDouble(value)), read: readDouble },
  float: {
    write: (value) => writeDouble(shortest(asFloat(value))),
    read: (json) => asFloat(readDouble(json)),
  },
  int32,
  sint32: int32,
  sfixed32: int32,
  uint32,
  fixed32: uint32,
  int64,
  sint64: int64,
  sfixed64: int64,
  uint64,
  fixed64: uint64,
  bool: { write: asBool, read: asBool },
  string: { write: asText, read: asText },
  bytes: { write: (value) => writeBase64(asBytes(value)), read: readBase64 },
};

/** The name of the member for a key of a map. */
export function writeMapKey(type: MapKeyName, key: unknown): string {
  // The types of keys are written as themselves or, with 64 bits, as strings.
  return String(scalarJson[type].write(key, {}) as string | number | boolean);
}

/** The key of a map from the member's name. */
export function readMapKey(type: MapKeyName, name: string): unknown {
  if (type !== 'bool') return scalarJson[type].read(name);
  if (name === 'true' || name === 'false') return name === 'true';
  throw mismatch('"true" or "false"', name);
}

// A JSON number, and no longer than any number has to be: parsing takes time in the square of the length.
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const INTEGER = /^-?(?:0|[1-9]\d{0,19})$/;
const LONGEST_NUMBER = 1_100;

function readNumber(json: unknown): number {
  if (typeof json === 'number') return json;
  if (typeof json === 'string' && json.length <= LONGEST_NUMBER && NUMBER.test(json)) return Number(json);
  throw mismatch('a number', json);
}

function readLong(json: unknown): bigint | number {
  if (typeof json === 'bigint') return json;
  return typeof json === 'string' && INTEGER.test(json) ? BigInt(json) : readNumber(json);
}

const SPECIAL: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

function readDouble(json: unknown): number {
  const special = SPECIAL.get(json);
  if (special !== undefined) return special;
  const value = readNumber(json);
  if (Number.isFinite(value)) return value;
  throw mismatch('a number within the range of a double', json);
}

function writeDouble(value: number): JsonValue {
  return Number.isFinite(value) ? value : String(value);
}

/** The shortest decimal that is the same float: 0.1, not 0.10000000149011612. */
function shortest(value: number): number {
  const float = Math.fround(value);
  // Text would lose the sign of -0.
  if (float === 0) return float;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(float.toPrecision(digits));
    if (Math.fround(short) === float) return short;
  }
  return float;
}

function writeLong(value: bigint | number, { int64: form }: JsonWriteOptions): JsonValue {
  if (form !== 'number') return value.toString();
  if (Number.isSafeInteger(Number(value))) return Number(value);
  throw new Fault(`${value} is past 2^53 and no JSON number here; leave out int64: 'number'`);
}

function writeBase64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Both alphabets, with or without padding. */
function readBase64(json: unknown): Uint8Array {
  if (typeof json !== 'string' || !BASE64.test(json)) throw mismatch('a string of base64', json);
  const digits = json.indexOf('=') < 0 ? json.length : json.indexOf('=');
  const padded = digits < json.length;
  if (digits % 4 === 1 || (padded && json.length % 4 !== 0)) throw mismatch('a whole string of base64', json);
  return new Uint8Array(Buffer.from(json, 'base64'));
}

import type { ScalarName } from './field-type.js';
import type { GeneratedSource } from './generated-source.js';
import {
  writeFixed64,
  writeInt32,
  writeInt64,
  writeSfixed64,
  writeSint64,
  writeUint64,
} from './write-long.js';
import {
  writeBytes,
  writeDouble,
  writeFixed32,
  writeFloat,
  writeText,
  writeVarint32,
} from './write-value.js';

/** What the statements here call, by these names. */
export const SCALAR_WRITERS = {
  writeBytes,
  writeDouble,
  writeFixed32,
  writeFixed64,
  writeFloat,
  writeInt32,
  writeInt64,
  writeSfixed64,
  writeSint64,
  writeText,
  writeUint64,
  writeVarint32,
};

/** The condition that a value is not what proto3 leaves out. */
export function notZeroScalar(name: ScalarName, value: string): string {
  switch (name) {
    case 'double':
    case 'float':
      return `!Object.is(${value}, 0)`;
    case 'string':
      return `${value} !== ''`;
    case 'bytes':
      return `!(${value} instanceof Uint8Array && ${value}.length === 0)`;
    case 'bool':
      return `${value} !== false`;
    case 'int64':
    case 'uint64':
    case 'sint64':
    case 'fixed64':
    case 'sfixed64':
      return `${value} !== 0n && ${value} !== 0`;
    default:
      return `${value} !== 0`;
  }
}

/** Adds the statements that check and write a scalar. */
export function writeScalar(source: GeneratedSource, name: ScalarName, value: string): void {
  const check = CHECKS[name]?.(value);
  if (check !== undefined) source.line(`if (typeof ${value} !== ${check}) throw UNWRITTEN;`);
  source.line(WRITES[name](value));
}

const int32Check = (value: string): string => `'number' || ${value} !== (${value} | 0)`;
const uint32Check = (value: string): string => `'number' || ${value} !== ${value} >>> 0`;

/** How a value's type is asked for, where what writes it does not. */
const CHECKS: Readonly<Partial<Record<ScalarName, (value: string) => string>>> = {
  int32: int32Check,
  sint32: int32Check,
  sfixed32: int32Check,
  uint32: uint32Check,
  fixed32: uint32Check,
  bool: () => "'boolean'",
};

const WRITES: Readonly<Record<ScalarName, (value: string) => string>> = {
  double: (value) => `pos = writeDouble(buffer, pos, ${value});`,
  float: (value) => `pos = writeFloat(buffer, pos, ${value});`,
  int32: (value) => `pos = writeInt32(buffer, pos, ${value});`,
  int64: (value) => `pos = writeInt64(buffer, pos, ${value});`,
  uint32: (value) => `pos = writeVarint32(buffer, pos, ${value});`,
  uint64: (value) => `pos = writeUint64(buffer, pos, ${value});`,
  sint32: (value) => `pos = writeVarint32(buffer, pos, ((${value} << 1) ^ (${value} >> 31)) >>> 0);`,
  sint64: (value) => `pos = writeSint64(buffer, pos, ${value});`,
  fixed32: (value) => `pos = writeFixed32(buffer, pos, ${value});`,
  fixed64: (value) => `pos = writeFixed64(buffer, pos, ${value});`,
  sfixed32: (value) => `pos = writeFixed32(buffer, pos, ${value});`,
  sfixed64: (value) => `pos = writeSfixed64(buffer, pos, ${value});`,
  bool: (value) => `buffer[pos++] = ${value} ? 1 : 0;`,
  string: (value) => `pos = writeText(buffer, pos, ${value});`,
  bytes: (value) => `pos = writeBytes(buffer, pos, ${value});`,
};

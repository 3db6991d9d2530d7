import type { ScalarName } from './field-type.js';
import type { GeneratedSource } from './generated-source.js';
import { readFixed64, readInt64, readSfixed64, readSint64, readUint64 } from './read-long.js';
import { readCopy, readDouble, readFloat, readText } from './read-value.js';

/** What the statements here call, by these names. */
export const SCALAR_READERS = {
  readCopy,
  readDouble,
  readFixed64,
  readFloat,
  readInt64,
  readSfixed64,
  readSint64,
  readText,
  readUint64,
};

/** Adds statements that read a scalar. Varints of one byte, most of them, are read on the spot. */
export function readScalar(source: GeneratedSource, name: ScalarName, target: string, end: string): void {
  const short = SHORT[name];
  if (short === undefined) {
    source.line(...LONG[name](target), 'pos = reader.pos;');
    return;
  }
  source.block(`if (pos < ${end} && buffer[pos] < 128)`, () => source.line(`${target} = ${short};`));
  source.block('else', () => source.line(...LONG[name](target), 'pos = reader.pos;'));
}

const SHORT: Readonly<Partial<Record<ScalarName, string>>> = {
  int32: 'buffer[pos++]',
  uint32: 'buffer[pos++]',
  sint32: '(buffer[pos] >>> 1) ^ -(buffer[pos++] & 1)',
  bool: 'buffer[pos++] !== 0',
};

/** By protobufjs's reader, or by what takes a position. */
const LONG: Readonly<Record<ScalarName, (target: string) => readonly string[]>> = {
  double: (target) => [`${target} = readDouble(reader, pos);`],
  float: (target) => [`${target} = readFloat(reader, pos);`],
  int32: (target) => ['reader.pos = pos;', `${target} = reader.int32();`],
  int64: (target) => [`${target} = readInt64(reader, pos);`],
  uint32: (target) => ['reader.pos = pos;', `${target} = reader.uint32();`],
  uint64: (target) => [`${target} = readUint64(reader, pos);`],
  sint32: (target) => ['reader.pos = pos;', `${target} = reader.sint32();`],
  sint64: (target) => [`${target} = readSint64(reader, pos);`],
  fixed32: (target) => ['reader.pos = pos;', `${target} = reader.fixed32();`],
  fixed64: (target) => [`${target} = readFixed64(reader, pos);`],
  sfixed32: (target) => ['reader.pos = pos;', `${target} = reader.sfixed32();`],
  sfixed64: (target) => [`${target} = readSfixed64(reader, pos);`],
  bool: (target) => ['reader.pos = pos;', `${target} = reader.bool();`],
  string: (target) => [`${target} = readText(reader, pos);`],
  bytes: (target) => [`${target} = readCopy(reader, pos);`],
};

import type { Reader } from 'protobufjs/minimal.js';

import { signedOf, unsignedOf } from './long-halves.js';
import { UNREAD } from './read-value.js';

const TWO_32 = 0x1_0000_0000;

// The halves of the varint that was read last.
let low = 0;
let high = 0;

/** Reads a varint with a sign. */
export function readInt64(reader: Reader, pos: number): bigint {
  readVarint64(reader, pos);
  return signedOf(low, high);
}

/** Reads a varint without a sign. */
export function readUint64(reader: Reader, pos: number): bigint {
  readVarint64(reader, pos);
  return unsignedOf(low, high);
}

/** Reads a varint whose last bit is the sign. */
export function readSint64(reader: Reader, pos: number): bigint {
  readVarint64(reader, pos);
  const sign = -(low & 1);
  return signedOf(((low >>> 1) | (high << 31)) ^ sign, (high >>> 1) ^ sign);
}

/** Reads a varint with a sign as a number, the nearest one where it is no safe integer. */
export function readNumber64(reader: Reader, pos: number): number {
  readVarint64(reader, pos);
  return high * TWO_32 + (low >>> 0);
}

/** Reads 8 bytes as an integer with a sign. */
export function readSfixed64(reader: Reader, pos: number): bigint {
  readFixed(reader, pos);
  return signedOf(low, high);
}

/** Reads 8 bytes as an integer without a sign. */
export function readFixed64(reader: Reader, pos: number): bigint {
  readFixed(reader, pos);
  return unsignedOf(low, high);
}

function readVarint64(reader: Reader, pos: number): void {
  const { buf } = reader;
  const end = Math.min(reader.len, pos + 10);
  low = 0;
  high = 0;
  for (let shift = 0; pos < end; shift += 7) {
    const byte = buf[pos++] ?? 0;
    const bits = byte & 127;
    if (shift < 28) low |= bits << shift;
    else if (shift > 28) high |= bits << (shift - 32);
    else {
      low |= bits << 28;
      high = bits >>> 4;
    }
    if (byte > 127) continue;
    reader.pos = pos;
    return;
  }
  throw UNREAD;
}

function readFixed(reader: Reader, pos: number): void {
  if (pos + 8 > reader.len) throw UNREAD;
  reader.pos = pos;
  low = reader.fixed32();
  high = reader.fixed32();
}

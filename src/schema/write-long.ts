import { HIGH, LOW, halves, splitSigned, splitUnsigned } from './long-halves.js';
import { UNWRITTEN, writeFixed32, writeVarint32 } from './write-value.js';

/** Writes a bigint or safe integer of 64 bits with a sign. */
export function writeInt64(buffer: Buffer, pos: number, value: unknown): number {
  if (!splitSigned(value)) throw UNWRITTEN;
  return writeVarint64(buffer, pos, halves[LOW] ?? 0, halves[HIGH] ?? 0);
}

/** Writes a bigint or safe integer of 64 bits without a sign. */
export function writeUint64(buffer: Buffer, pos: number, value: unknown): number {
  if (!splitUnsigned(value)) throw UNWRITTEN;
  return writeVarint64(buffer, pos, halves[LOW] ?? 0, halves[HIGH] ?? 0);
}

/** Writes a bigint or safe integer of 64 bits so that those near 0 are short. */
export function writeSint64(buffer: Buffer, pos: number, value: unknown): number {
  if (!splitSigned(value)) throw UNWRITTEN;
  const [low, high] = [halves[LOW] ?? 0, halves[HIGH] ?? 0];
  const sign = high >> 31;
  return writeVarint64(buffer, pos, ((low << 1) ^ sign) >>> 0, (((high << 1) | (low >>> 31)) ^ sign) >>> 0);
}

/** Writes a bigint or safe integer with a sign as 8 bytes. */
export function writeSfixed64(buffer: Buffer, pos: number, value: unknown): number {
  if (!splitSigned(value)) throw UNWRITTEN;
  return writeHalves(buffer, pos);
}

/** Writes a bigint or safe integer without a sign as 8 bytes. */
export function writeFixed64(buffer: Buffer, pos: number, value: unknown): number {
  if (!splitUnsigned(value)) throw UNWRITTEN;
  return writeHalves(buffer, pos);
}

/** Writes a 32-bit integer with a sign; a negative one takes ten bytes, as if it had 64 bits. */
export function writeInt32(buffer: Buffer, pos: number, value: number): number {
  return value < 0 ? writeVarint64(buffer, pos, value >>> 0, 0xffff_ffff) : writeVarint32(buffer, pos, value);
}

function writeHalves(buffer: Buffer, pos: number): number {
  return writeFixed32(buffer, writeFixed32(buffer, pos, halves[LOW] ?? 0), halves[HIGH] ?? 0);
}

function writeVarint64(buffer: Buffer, pos: number, low: number, high: number): number {
  while (high > 0) {
    buffer[pos++] = (low & 127) | 128;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  return writeVarint32(buffer, pos, low);
}

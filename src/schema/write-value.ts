import { Writer, util } from 'protobufjs/minimal.js';

import { MAX_DEPTH } from './fault.js';
import type { WellKnown } from './well-known.js';

/*
 * What generated encoders call. All of it takes a buffer and a position, and returns the position behind what it wrote. Positions may
 * run past the end of the buffer: nothing is written there, and the last one says how large the buffer should have been.
 */

/** Thrown for whatever a generated encoder does not write. What is wrong, if anything is, others find out. */
export const UNWRITTEN = new Error('not written');

/** Strings shorter than this are written quicker letter by letter. */
const SHORT = 32;
const MOST_BYTES_OF_UNIT = 3;
const LONGEST_LENGTH = 5;

/** Writes a string with its length. */
export function writeText(buffer: Buffer, pos: number, value: unknown): number {
  if (typeof value !== 'string') throw UNWRITTEN;
  const { length } = value;
  if (length >= SHORT) return writeLongText(buffer, pos, value);
  for (let at = 0; at < length; at++) {
    const code = value.charCodeAt(at);
    if (code > 127) return writeLongText(buffer, pos, value);
    buffer[pos + 1 + at] = code;
  }
  buffer[pos] = length;
  return pos + 1 + length;
}

function writeLongText(buffer: Buffer, pos: number, value: string): number {
  const most = value.length * MOST_BYTES_OF_UNIT;
  let size = most < 128 ? 1 : sizeOfVarint(value.length);
  let length: number;
  if (pos + LONGEST_LENGTH + most <= buffer.length) {
    length = buffer.write(value, pos + size);
    const needed = sizeOfVarint(length);
    if (needed !== size) buffer.copyWithin(pos + needed, pos + size, pos + size + length);
    size = needed;
  } else {
    length = Buffer.byteLength(value);
    size = sizeOfVarint(length);
    if (pos + size + length <= buffer.length) buffer.write(value, pos + size);
  }
  // A lone surrogate is written as the three bytes of U+FFFD.
  if (length !== value.length && !isWellFormed.call(value)) throw UNWRITTEN;
  writeVarint32(buffer, pos, length);
  return pos + size + length;
}

/** Writes bytes with their length. */
export function writeBytes(buffer: Buffer, pos: number, value: unknown): number {
  if (!(value instanceof Uint8Array)) throw UNWRITTEN;
  const { length } = value;
  const start = writeVarint32(buffer, pos, length);
  if (length < SHORT) for (let at = 0; at < length; at++) buffer[start + at] = value[at] ?? 0;
  else if (start + length <= buffer.length) buffer.set(value, start);
  return start + length;
}

/** Writes an integer from 0 to 2^32 - 1. */
export function writeVarint32(buffer: Buffer, pos: number, value: number): number {
  while (value > 127) {
    buffer[pos++] = (value & 127) | 128;
    value >>>= 7;
  }
  buffer[pos] = value;
  return pos + 1;
}

/** Writes 4 bytes. */
export function writeFixed32(buffer: Buffer, pos: number, value: number): number {
  buffer[pos] = value & 255;
  buffer[pos + 1] = (value >>> 8) & 255;
  buffer[pos + 2] = (value >>> 16) & 255;
  buffer[pos + 3] = value >>> 24;
  return pos + 4;
}

/** Writes a number as 8 bytes. */
export function writeDouble(buffer: Buffer, pos: number, value: unknown): number {
  if (typeof value !== 'number') throw UNWRITTEN;
  util.float.writeDoubleLE(value, buffer, pos);
  return pos + 8;
}

/** Writes a number as 4 bytes, rounded. */
export function writeFloat(buffer: Buffer, pos: number, value: unknown): number {
  if (typeof value !== 'number' || (Number.isFinite(value) && !Number.isFinite(Math.fround(value))))
    throw UNWRITTEN;
  util.float.writeFloatLE(value, buffer, pos);
  return pos + 4;
}

/** Writes the length of what was written from `start + 1` on, for which one byte was left. */
export function writeLength(buffer: Buffer, start: number, pos: number): number {
  const length = pos - start - 1;
  if (length < 128) {
    buffer[start] = length;
    return pos;
  }
  const more = sizeOfVarint(length) - 1;
  buffer.copyWithin(start + 1 + more, start + 1, pos);
  writeVarint32(buffer, start, length);
  return pos + more;
}

function sizeOfVarint(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

const MOST_KEPT = 4_096;

let idle: InstanceType<typeof Writer> | undefined;

/** Writes a well-known message with its length. */
export function writeKnown(
  buffer: Buffer,
  pos: number,
  write: WellKnown['write'],
  value: unknown,
  depth: number,
): number {
  if (depth > MAX_DEPTH) throw UNWRITTEN;
  // Taken away while it is in use: what is written can have getters that encode something themselves.
  const writer = idle ?? Writer.create();
  idle = undefined;
  write(writer, value, depth);
  const end = writeBytes(buffer, pos, writer.finish(true));
  if (writer.buf.length <= MOST_KEPT) idle = writer.reset();
  return end;
}

// In Node since version 20, in TypeScript's library from ES2024 on.
const { isWellFormed } = String.prototype as unknown as { isWellFormed: (this: string) => boolean };

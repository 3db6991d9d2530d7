import { util } from 'protobufjs/minimal.js';
import type { Reader } from 'protobufjs/minimal.js';

import { LONGEST_ASCII, generateReadAscii } from './ascii.js';
import type { ReadAscii } from './ascii.js';
import type { Budget } from './budget.js';
import type { WellKnown } from './well-known.js';

/*
 * What generated decoders call. All of it takes the reader and the position where to read, which is that of the reader only where it
 * says so, and leaves the reader behind what it read.
 */

/** Thrown for whatever a generated decoder does not read. What is wrong, if anything is, others find out. */
export const UNREAD = new Error('not read');

let readAscii: ReadAscii | undefined;

/** Reads a string with its length. */
export function readText(reader: Reader, pos: number): string {
  const length = readLength(reader, pos);
  const start = reader.pos;
  const end = start + length;
  reader.pos = end;
  // Generated decoders read buffers only.
  const buffer = reader.buf as Buffer;
  if (length <= LONGEST_ASCII) {
    readAscii ??= generateReadAscii();
    const text = readAscii(buffer, start, length);
    if (text !== undefined) return text;
  }
  return readLongText(buffer, start, end);
}

const REPLACEMENT = '\ufffd';
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readLongText(buffer: Buffer, start: number, end: number): string {
  const text = buffer.toString('utf8', start, end);
  // It stands for bytes that are no UTF-8, or for itself.
  return text.includes(REPLACEMENT) ? strict.decode(buffer.subarray(start, end)) : text;
}

/** Reads bytes with their length, as a copy: the input may be reused. */
export function readCopy(reader: Reader, pos: number): Uint8Array {
  const length = readLength(reader, pos);
  const start = reader.pos;
  reader.pos = start + length;
  const { buffer, byteOffset } = reader.buf;
  return new Uint8Array(buffer, byteOffset + start, length).slice();
}

/** Reads a length that the rest of the input can hold. */
export function readLength(reader: Reader, pos: number): number {
  const { buf, len } = reader;
  let length = buf[pos] ?? 0;
  if (pos < len && length < 128) reader.pos = pos + 1;
  else {
    reader.pos = pos;
    length = reader.size();
  }
  if (length > len - reader.pos) throw UNREAD;
  return length;
}

/** Reads a length, and narrows the reader to as many bytes. Returns where they end. */
export function enterAt(reader: Reader, pos: number): number {
  const length = readLength(reader, pos);
  return (reader.len = reader.pos + length);
}

/** Reads a well-known message, for which there is a length before it. */
export function readKnown(
  reader: Reader,
  pos: number,
  read: WellKnown['read'],
  before: unknown,
  budget: Budget,
): unknown {
  const end = reader.len;
  enterAt(reader, pos);
  budget.enter(1);
  const value = read(reader, before, budget);
  budget.leave();
  reader.len = end;
  return value;
}

/** Reads 8 bytes as a number. */
export function readDouble(reader: Reader, pos: number): number {
  if (pos + 8 > reader.len) throw UNREAD;
  reader.pos = pos + 8;
  return util.float.readDoubleLE(reader.buf, pos);
}

/** Reads 4 bytes as a number. */
export function readFloat(reader: Reader, pos: number): number {
  if (pos + 4 > reader.len) throw UNREAD;
  reader.pos = pos + 4;
  return util.float.readFloatLE(reader.buf, pos);
}

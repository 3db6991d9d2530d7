import type { Reader } from 'protobufjs/minimal.js';

import { Fault, checkDepth } from './fault.js';

type Long = ReturnType<Reader['int64']>;

const TWO_32 = 0x1_0000_0000;

// Where the high half is below, both halves together are a safe integer, and one conversion is quicker than three.
const SAFE_HIGH = 2 ** 20;

/** The signed 64-bit integer that protobufjs read. */
export function toSigned({ low, high }: Long): bigint {
  return high > -SAFE_HIGH && high < SAFE_HIGH
    ? BigInt(high * TWO_32 + (low >>> 0))
    : (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** The unsigned 64-bit integer that protobufjs read. */
export function toUnsigned({ low, high }: Long): bigint {
  return high >= 0 && high < SAFE_HIGH
    ? BigInt(high * TWO_32 + (low >>> 0))
    : (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** Reads a length that the rest of the input can hold. */
function readLength(reader: Reader): number {
  const length = reader.size();
  if (length > reader.len - reader.pos)
    throw new Fault(`a length of ${length} bytes where ${reader.len - reader.pos} are left`);
  return length;
}

/** Reads bytes, as a copy: the input may be reused. */
export function readBytes(reader: Reader): Uint8Array {
  const length = readLength(reader);
  const start = reader.pos;
  reader.pos += length;
  return new Uint8Array(reader.buf.subarray(start, reader.pos));
}

/**
 * Skips the value of a field that nobody knows, with a group all that is in it.
 *
 * A known field of another wire type is one of these, as in protobuf's own implementations.
 */
export function skipField(reader: Reader, tag: number, depth = 0): void {
  if (tag >>> 3 === 0) throw new Fault('a field with id 0');
  switch (tag & 7) {
    case 0:
      // Of the reads of a varint, the one that stops after 10 bytes whatever is in them.
      reader.bool();
      return;
    case 1:
      reader.skip(8);
      return;
    case 2:
      reader.skip(readLength(reader));
      return;
    case 3:
      skipGroup(reader, tag >>> 3, depth + 1);
      return;
    case 5:
      reader.skip(4);
      return;
    default:
      throw new Fault(`a field of wire type ${tag & 7}, where none can be`);
  }
}

function skipGroup(reader: Reader, id: number, depth: number): void {
  checkDepth(depth);
  for (;;) {
    const tag = reader.tag();
    if ((tag & 7) !== 4) skipField(reader, tag, depth);
    else if (tag >>> 3 === id) return;
    else throw new Fault(`the end of group ${tag >>> 3} in group ${id}`);
  }
}

/** Narrows the reader to the next length-delimited part, and returns the end to set `reader.len` back to. */
export function enter(reader: Reader): number {
  const length = readLength(reader);
  const end = reader.len;
  reader.len = reader.pos + length;
  return end;
}

/** What protobufjs and the UTF-8 decoder throw about bytes, as a fault; anything else as it is. */
export function asFault(reason: unknown): unknown {
  if (reason instanceof Fault || !(reason instanceof Error)) return reason;
  if (reason instanceof RangeError && reason.message.startsWith('index out of range'))
    return new Fault('the bytes end in the middle of it');
  if ('code' in reason && reason.code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
    return new Fault('a string that is not UTF-8');
  return /^(invalid|illegal) \w+/.test(reason.message) ? new Fault(reason.message) : reason;
}

import { markAsUntransferable } from 'node:worker_threads';

import { UNWRITTEN } from './write-value.js';

const SLAB = 64 * 1_024;
/** Messages of more bytes get a buffer of their own where the slab has no room for them. */
const LARGE = SLAB / 4;

// Messages are cut out of it one behind the other. No byte is used twice, as whoever has a message may keep it.
let slab = Buffer.alloc(0);
let used = 0;
let busy = false;

/** Whether something is being encoded: a message can have getters that encode another one. */
export function isBusy(): boolean {
  return busy;
}

/** Writes the fields of a message, without a length. */
export type MessageWriter = (buffer: Buffer, pos: number, message: unknown, depth: number) => number;

/** The bytes of a message. Throws where `write` does. @param expected how many they may be */
export function encodeWith(write: MessageWriter, message: unknown, expected: number): Buffer {
  busy = true;
  try {
    if (expected > LARGE) return encodeLarge(write, message, expected + (expected >>> 3));
    if (slab.length - used < expected) takeSlab();
    let end = write(slab, used, message, 0);
    if (end > slab.length) {
      const size = end - used;
      if (size > LARGE) return encodeLarge(write, message, size);
      takeSlab();
      end = write(slab, 0, message, 0);
      // It was smaller a moment ago.
      if (end > slab.length) throw UNWRITTEN;
    }
    const bytes = slab.subarray(used, end);
    used = end;
    return bytes;
  } finally {
    busy = false;
  }
}

function takeSlab(): void {
  slab = Buffer.allocUnsafeSlow(SLAB);
  used = 0;
  // As with Node's own pool: to move one message to another thread would take the others away.
  markAsUntransferable(slab.buffer);
}

function encodeLarge(write: MessageWriter, message: unknown, size: number): Buffer {
  let buffer = Buffer.allocUnsafeSlow(size);
  let end = write(buffer, 0, message, 0);
  if (end > buffer.length) {
    buffer = Buffer.allocUnsafeSlow(end);
    end = write(buffer, 0, message, 0);
    if (end > buffer.length) throw UNWRITTEN;
  }
  const bytes = buffer.subarray(0, end);
  // Whoever keeps it should not keep much more than it.
  return end < buffer.length - (buffer.length >>> 2) ? Buffer.from(bytes) : bytes;
}

import type { MessageLimits } from '../transport.js';

// The constants of the wire. `docs/wire.md` has the whole.

/** What either end begins with: no HTTP method, no TLS record, and no text. */
export const MAGIC = Uint8Array.of(0x8f, 0x4f, 0x43, 0x54, 0x41, 0x56, 0x4f);
/** The version of the wire that this is; and what stands in its place before a refusal. */
export const VERSION = 1;
export const REFUSAL = 0;
/** Bytes of the preface of version 1: magic, version and terms. */
export const PREFACE_BYTES = 28;

/** Bytes before the payload of a frame: type and flags, three of length, four of the stream. */
export const FRAME_BYTES = 8;
/** How much of a body one frame carries at most, so that a long one holds up no other. */
export const CHUNK = 64 * 1024;

/** A header, and the body or its beginning. */
export const MESSAGE = 0;
/** More of the body that a message on this stream began. */
export const DATA = 1;
/** The sender sends no more on this stream, and reads no more. */
export const END = 2;
/** The stream is cut off. */
export const RESET = 3;
/** Leave to send this many bytes more. */
export const CREDIT = 4;
/** A question whether the other end is there, and the answer. */
export const PING = 5;
export const PONG = 6;
/** The sender takes no stream with a higher number than this. */
export const GOAWAY = 7;

/** Of a message: the first one of its stream. */
export const OPEN = 0x10;
/** Of a message: the last one, as if {@link END} followed. */
export const LAST = 0x20;
/** Of a reset: nothing of the stream reached a handler. */
export const UNEXECUTED = 0x10;

/** What a message takes of the window beside its payload, and for each pair of its header: memory that is not on the wire. */
export const MESSAGE_CHARGE = 64;
export const PAIR_CHARGE = 16;

/** The highest number of a stream. A connection that used it up is replaced. */
export const LAST_STREAM = 2 ** 31 - 1;

/** What one end takes, told to the other in the preface. */
export interface Terms extends Required<MessageLimits> {
  /** Bytes of one stream that may be on their way unread. */
  readonly windowBytes: number;
  /** Streams that the other end may have open. */
  readonly maxStreams: number;
}

/** The longest payload of a message: its header, as long as the terms allow, and a part of the body. */
export function longestMessage({ maxHeaderBytes, maxHeaders }: Terms): number {
  return 16 + 8 * maxHeaders + maxHeaderBytes + CHUNK;
}

/** Writes a number in groups of seven bits, the lowest first. Returns where it ends. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest > 0x7f) {
    bytes[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[to++] = rest;
  return to;
}

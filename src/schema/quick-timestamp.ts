import type { Reader } from 'protobufjs/minimal.js';

import type { Budget } from './budget.js';
import { MAX_DEPTH } from './fault.js';
import { readNumber64 } from './read-long.js';
import { UNREAD, enterAt, readKnown } from './read-value.js';
import { FIRST_MS, LAST_MS, NANOS_PER_MS, readTimestamp } from './timestamp-form.js';
import { skipField } from './wire-read.js';
import { writeInt64 } from './write-long.js';
import { UNWRITTEN, writeVarint32 } from './write-value.js';

// The most common of the well-known messages, for generated code: without a bigint on the way.

const SECONDS = 8;
const NANOS = 16;
const MS_PER_SECOND = 1_000;

/** Writes google.protobuf.Timestamp with its length. */
export function writeTime(buffer: Buffer, pos: number, value: unknown, depth: number): number {
  const ms = value instanceof Date ? value.getTime() : Number.NaN;
  if (!Number.isInteger(ms) || ms < FIRST_MS || ms > LAST_MS || depth > MAX_DEPTH) throw UNWRITTEN;
  const seconds = Math.floor(ms / MS_PER_SECOND);
  const nanos = (ms - seconds * MS_PER_SECOND) * NANOS_PER_MS;
  let at = pos + 1;
  if (seconds !== 0) {
    buffer[at++] = SECONDS;
    at = writeInt64(buffer, at, seconds);
  }
  if (nanos !== 0) {
    buffer[at++] = NANOS;
    at = writeVarint32(buffer, at, nanos);
  }
  buffer[pos] = at - pos - 1;
  return at;
}

/** Reads google.protobuf.Timestamp, for which there is a length before it. */
export function readTime(reader: Reader, pos: number, before: unknown, budget: Budget): unknown {
  // Of one given twice the parts are merged.
  if (before !== undefined) return readKnown(reader, pos, readTimestamp, before, budget);
  const outer = reader.len;
  const end = enterAt(reader, pos);
  budget.enter(1);
  let seconds = 0;
  let nanos = 0;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === SECONDS) seconds = readNumber64(reader, reader.pos);
    else if (tag === NANOS) nanos = reader.int32();
    else skipField(reader, tag);
  }
  budget.leave();
  reader.len = outer;
  const ms = seconds * MS_PER_SECOND + Math.floor(nanos / NANOS_PER_MS);
  if (nanos < 0 || nanos >= MS_PER_SECOND * NANOS_PER_MS || !(ms >= FIRST_MS && ms <= LAST_MS)) throw UNREAD;
  return new Date(ms);
}

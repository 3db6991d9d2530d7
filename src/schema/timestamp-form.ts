import type { Reader, Writer } from 'protobufjs/minimal.js';

import { Fault, mismatch } from './fault.js';
import { nanosOf, readParts, writeParts } from './time-parts.js';
import type { TimeParts } from './time-parts.js';

// From 0001-01-01T00:00:00Z to the last millisecond of 9999, in milliseconds since 1970.
export const FIRST_MS = -62_135_596_800_000;
export const LAST_MS = 253_402_300_799_999;
export const NANOS_PER_MS = 1_000_000;

/** Writes the fields of google.protobuf.Timestamp. */
export function writeTimestamp(writer: Writer, value: unknown): void {
  writeParts(writer, partsOf(asTime(value)));
}

/** Reads google.protobuf.Timestamp. What a `Date` cannot hold, below a millisecond, is cut off. */
export function readTimestamp(reader: Reader, before: unknown): Date {
  const start = before instanceof Date ? partsOf(before.getTime()) : { seconds: 0n, nanos: 0 };
  const { seconds, nanos } = readParts(reader, start);
  if (nanos < 0 || nanos >= 1_000 * NANOS_PER_MS) throw new Fault(`a timestamp with ${nanos} nanoseconds`);
  return within(Number(seconds) * 1_000 + Math.floor(nanos / NANOS_PER_MS), `${seconds} s`);
}

/** The RFC 3339 text, in UTC. */
export function writeTimestampJson(value: unknown): string {
  return new Date(asTime(value)).toISOString().replace('.000Z', 'Z');
}

const RFC_3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):([0-5]\d))$/;

/** Reads RFC 3339 text with any offset and up to nine digits of a second. */
export function readTimestampJson(json: unknown): Date {
  const match = typeof json === 'string' ? RFC_3339.exec(json) : null;
  const [, local = '', digits, sign = '+', hours = '0', minutes = '0'] = match ?? [];
  const seconds = Date.parse(`${local}Z`);
  // Date.parse takes February 30th for March 1st or 2nd, and 24:00 for the next day.
  if (Number.isNaN(seconds) || !new Date(seconds).toISOString().startsWith(local) || Number(hours) > 23)
    throw mismatch('a time such as "2026-01-31T12:00:00Z"', json);
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  return within(seconds - offset + Math.floor(nanosOf(digits) / NANOS_PER_MS), json);
}

function asTime(value: unknown): number {
  if (value instanceof Date && !Number.isNaN(value.getTime()))
    return within(value.getTime(), value).getTime();
  throw mismatch('a valid Date', value);
}

function within(ms: number, value: unknown): Date {
  if (ms >= FIRST_MS && ms <= LAST_MS) return new Date(ms);
  throw mismatch('a time in the years 1 to 9999', value);
}

function partsOf(ms: number): TimeParts {
  const seconds = Math.floor(ms / 1_000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1_000) * NANOS_PER_MS };
}

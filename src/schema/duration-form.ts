import type { Reader, Writer } from 'protobufjs/minimal.js';

import { Duration } from './duration.js';
import { mismatch } from './fault.js';
import { asInt32, asInt64 } from './scalar-check.js';
import { fraction, nanosOf, readParts, writeParts } from './time-parts.js';
import type { TimeParts } from './time-parts.js';

const MAX_SECONDS = 315_576_000_000n;
const MAX_NANOS = 999_999_999;

/** Writes the fields of google.protobuf.Duration. */
export function writeDuration(writer: Writer, value: unknown): void {
  writeParts(writer, asParts(value));
}

/** Reads google.protobuf.Duration. */
export function readDuration(reader: Reader, before: unknown): Duration {
  const start = before instanceof Duration ? before : new Duration();
  const { seconds, nanos } = asParts(readParts(reader, start));
  return new Duration(seconds, nanos);
}

/** Seconds with a fraction: `"1.5s"`. */
export function writeDurationJson(value: unknown): string {
  const { seconds, nanos } = asParts(value);
  const sign = seconds < 0n || nanos < 0 ? '-' : '';
  return `${sign}${seconds < 0n ? -seconds : seconds}${fraction(Math.abs(nanos))}s`;
}

const TEXT = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

/** Reads seconds with up to nine digits after the point. */
export function readDurationJson(json: unknown): Duration {
  const match = typeof json === 'string' ? TEXT.exec(json) : null;
  if (match === null) throw mismatch('a duration such as "1.5s"', json);
  const [, sign, whole = '', digits] = match;
  const factor = sign === '-' ? -1 : 1;
  const { seconds, nanos } = asParts({
    seconds: BigInt(whole) * BigInt(factor),
    nanos: nanosOf(digits) * factor + 0,
  });
  return new Duration(seconds, nanos);
}

function asParts(value: unknown): TimeParts {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date)
    throw mismatch('a Duration', value);
  // Its members are checked one by one.
  const given = value as { readonly seconds?: unknown; readonly nanos?: unknown };
  const seconds = BigInt(asInt64(given.seconds ?? 0n));
  const nanos = asInt32(given.nanos ?? 0);
  const opposed = (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0);
  if (opposed || seconds > MAX_SECONDS || seconds < -MAX_SECONDS || Math.abs(nanos) > MAX_NANOS)
    throw mismatch('a duration of up to 10,000 years with parts of one sign', `${seconds}s ${nanos}ns`);
  return { seconds, nanos };
}

import type { Reader, Writer } from 'protobufjs/minimal.js';

import { scalars } from './scalar.js';
import { skipField, toSigned } from './wire-read.js';

/** The two fields of google.protobuf.Timestamp and Duration. */
export interface TimeParts {
  readonly seconds: bigint;
  readonly nanos: number;
}

const SECONDS = 8;
const NANOS = 16;

/** Writes the fields, without a length. */
export function writeParts(writer: Writer, { seconds, nanos }: TimeParts): void {
  if (seconds !== 0n) scalars.int64.write(writer.uint32(SECONDS), seconds);
  if (nanos !== 0) writer.uint32(NANOS).int32(nanos);
}

/** Reads the fields up to `reader.len`, over those of an earlier part. */
export function readParts(reader: Reader, { seconds, nanos }: TimeParts): TimeParts {
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    if (tag === SECONDS) seconds = toSigned(reader.int64());
    else if (tag === NANOS) nanos = reader.int32();
    else skipField(reader, tag);
  }
  return { seconds, nanos };
}

/** A fraction of a second as ProtoJSON writes it: nothing, or 3, 6 or 9 digits after a point. */
export function fraction(nanos: number): string {
  const digits = String(nanos).padStart(9, '0');
  if (nanos === 0) return '';
  return `.${digits.replace(/(?:000){1,2}$/, '')}`;
}

/** Nanoseconds of the digits after the point; zero of none. */
export function nanosOf(digits = ''): number {
  return Number(digits.padEnd(9, '0'));
}

import { Reader } from 'protobufjs/minimal.js';

import { Budget } from '../../src/schema/budget.js';
import { generateDecode } from '../../src/schema/generate-decode.js';
import type { Reading } from '../../src/schema/generate-decode.js';
import { generateEncode } from '../../src/schema/generate-encode.js';
import type { Writing } from '../../src/schema/generate-encode.js';
import type { MessageShape } from '../../src/schema/shape.js';
import { encodeWith } from '../../src/schema/slab.js';

/** Both ways by generated code alone: what a schema would leave to the closures is thrown. */
export function encodeGenerated(shape: MessageShape, message: unknown): Uint8Array {
  return encodeWith(writingOf(shape).write, message, 0);
}

export function decodeGenerated(shape: MessageShape, bytes: Uint8Array): object {
  const message = new shape.type();
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  readingOf(shape).read(new Reader(buffer), message, new Budget());
  return message;
}

const writings = new Map<MessageShape, Writing>();
const readings = new Map<MessageShape, Reading>();

function writingOf(shape: MessageShape): Writing {
  let writing = writings.get(shape);
  if (writing === undefined) {
    let write: Writing['write'] | undefined;
    writing = { write: (...args) => (write ??= generateEncode(shape, writingOf))(...args) };
    writings.set(shape, writing);
  }
  return writing;
}

function readingOf(shape: MessageShape): Reading {
  let reading = readings.get(shape);
  if (reading === undefined) {
    let read: Reading['read'] | undefined;
    reading = { read: (...args) => (read ??= generateDecode(shape, readingOf))(...args) };
    readings.set(shape, reading);
  }
  return reading;
}

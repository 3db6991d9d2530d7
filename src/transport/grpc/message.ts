import { OctavoError } from '../../core/error.js';
import { PREFIX_BYTES, type FrameLimits } from '../../core/grpc-frames.js';
import { EMPTY, type Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import { excess } from '../limits.js';
import type { MESSAGE_LIMITS } from '../transport.js';

// go-micro's Message { map<string, string> header = 1; bytes body = 2 }, behind the five bytes that gRPC puts before each.

/** Field 1 and field 2, each with a length before it; in {@link Message} and in an entry of its map alike. */
const FIRST = 0x0a;
const SECOND = 0x12;

/** The longest message that the limits allow: each name and value twice, and what protobuf puts before them. */
export function frameLimits({
  maxMessageBytes,
  maxHeaderBytes,
  maxHeaders,
}: typeof MESSAGE_LIMITS): FrameLimits {
  const maxBytes = maxMessageBytes + 2 * maxHeaderBytes + 32 * maxHeaders + 16;
  return { maxBytes, named: 'with its header: maxMessageBytes, maxHeaderBytes' };
}

/**
 * Writes a message with its prefix, up to where its body begins, which follows as it is.
 *
 * A name with several values is written with each, and once more with all of them joined: of several, protobuf's reader takes the last.
 */
export function writeHead({ header, body }: Message): Buffer {
  const pairs = written(header);
  const lengths: number[] = [];
  let size = 0;
  for (let at = 0; at < pairs.length; at += 2) {
    const name = Buffer.byteLength(pairs[at] ?? '');
    const value = Buffer.byteLength(pairs[at + 1] ?? '');
    const entry = 2 + varintBytes(name) + name + varintBytes(value) + value;
    lengths.push(entry, name, value);
    size += 1 + varintBytes(entry) + entry;
  }
  if (body.length > 0) size += 1 + varintBytes(body.length);
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + size);
  bytes[0] = 0;
  let at = bytes.writeUInt32BE(size + body.length, 1);
  for (let n = 0; n < pairs.length; n += 2) {
    const [entry = 0, name = 0, value = 0] = lengths.slice((n / 2) * 3, (n / 2) * 3 + 3);
    bytes[at++] = FIRST;
    at = writeVarint(bytes, at, entry);
    bytes[at++] = FIRST;
    at = writeVarint(bytes, at, name);
    at += bytes.write(pairs[n] ?? '', at);
    bytes[at++] = SECOND;
    at = writeVarint(bytes, at, value);
    at += bytes.write(pairs[n + 1] ?? '', at);
  }
  if (body.length > 0) {
    bytes[at++] = SECOND;
    writeVarint(bytes, at, body.length);
  }
  return bytes;
}

/**
 * Reads a message, whose body is a view of these bytes.
 *
 * @param octavo whether an Octavo peer wrote it, so that of a name that comes again the last value is all the others
 * @throws `invalid_argument` for what is none, `resource_exhausted` for one over the limits
 */
export function readMessage(bytes: Buffer, limits: typeof MESSAGE_LIMITS, octavo: boolean): Message {
  const fields = new Fields(bytes, 0, bytes.length);
  const pairs: string[] = [];
  const again = new Set<string>();
  let body: Uint8Array = EMPTY;
  while (fields.next()) {
    if (fields.tag === SECOND) body = bytes.subarray(fields.from, fields.end);
    if (fields.tag !== FIRST) continue;
    if (pairs.length >= 4 * limits.maxHeaders)
      throw new OctavoError(
        'resource_exhausted',
        `too many headers came: the limit is ${limits.maxHeaders} (maxHeaders)`,
      );
    readEntry(new Fields(bytes, fields.from, fields.end), pairs, again, octavo);
  }
  for (const name of again) dropLast(pairs, name);
  const message = { header: Metadata.of(pairs), body };
  const over = excess(message, limits);
  if (over !== undefined) throw over;
  return message;
}

function readEntry(fields: Fields, pairs: string[], again: Set<string>, octavo: boolean): void {
  let name = '';
  let value = '';
  while (fields.next()) {
    if (fields.tag === FIRST) name = fields.text();
    else if (fields.tag === SECOND) value = fields.text();
  }
  for (let at = 0; at < pairs.length; at += 2) {
    if (pairs[at] !== name) continue;
    if (octavo) again.add(name);
    else {
      pairs[at + 1] = value;
      return;
    }
    break;
  }
  pairs.push(name, value);
}

function dropLast(pairs: string[], name: string): void {
  for (let at = pairs.length - 2; at >= 0; at -= 2) if (pairs[at] === name) return void pairs.splice(at, 2);
}

/** Names and values in the order of the wire: those of one name under one spelling, and behind them all of them joined. */
function written(header: Metadata): readonly string[] {
  const { pairs } = header;
  const spelled = new Map<string, string>();
  const several = new Map<string, string>();
  for (let at = 0; at < pairs.length; at += 2) {
    const name = pairs[at] ?? '';
    const lower = name.toLowerCase();
    const first = spelled.get(lower);
    if (first === undefined) spelled.set(lower, name);
    else several.set(lower, first);
  }
  if (several.size === 0) return pairs;
  const all: string[] = [];
  for (const [name, value] of header) all.push(several.get(name.toLowerCase()) ?? name, value);
  for (const name of several.values()) all.push(name, header.get(name) ?? '');
  return all;
}

/** The fields of one protobuf message, one after the other. */
class Fields {
  /** The last one: its number and type, and where its bytes are if it has a length. */
  tag = 0;
  from = 0;
  end = 0;
  readonly #bytes: Buffer;
  readonly #last: number;
  #at: number;

  constructor(bytes: Buffer, from: number, last: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#last = last;
  }

  /** Goes to the next field. Returns whether there is one. */
  next(): boolean {
    if (this.#at >= this.#last) return false;
    this.tag = this.#varint();
    if (this.tag < 8) throw malformed('a field without a number');
    const type = this.tag & 7;
    if (type === 0) this.#varint();
    else {
      const length = type === 1 ? 8 : type === 5 ? 4 : type === 2 ? this.#varint() : undefined;
      if (length === undefined) throw malformed(`a field of the unknown type ${type}`);
      this.from = this.#at;
      this.end = this.#at + length;
      if (this.end > this.#last) throw malformed('a field that is longer than its message');
      this.#at = this.end;
    }
    return true;
  }

  text(): string {
    return this.#bytes.toString('utf8', this.from, this.end);
  }

  /** Up to ten groups of seven bits. What is over 2^53 is not exact, and too long for anything that has such a length. */
  #varint(): number {
    let value = 0;
    let unit = 1;
    for (let n = 0; n < 10; n++) {
      if (this.#at >= this.#last) throw malformed('an end in the middle of a number');
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
      unit *= 128;
    }
    throw malformed('a number of more than ten bytes');
  }
}

function malformed(what: string): OctavoError {
  return new OctavoError('invalid_argument', `a message came that is no protobuf: it has ${what}`);
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

function writeVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest > 0x7f) {
    bytes[to++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[to++] = rest;
  return to;
}

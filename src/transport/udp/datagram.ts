import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import { excess } from '../limits.js';
import type { MESSAGE_LIMITS } from '../transport.js';

/**
 * What a datagram is. `docs/wire.md` has the whole.
 *
 * It begins with `8v` (2 bytes), the version, the kind, a token (8 bytes) and the id of a call (12 bytes): 8 that its caller drew, and a
 * number. Then comes what the kind says.
 */
export const KIND = {
  /** Who are you? As many bytes as the shortest call has. */
  hello: 1,
  /** The answer, and to a call that came with another token and was not taken in: the token to come with. */
  token: 2,
  /** A message: a call that is sent once. */
  call: 3,
  /** A message: a call that may be sent again. */
  idempotent: 4,
  /** A message: the reply. */
  reply: 5,
  /** The call has ended without a reply. */
  end: 6,
  /** The call was cut off, or not taken in; an error as in `Micro-Error`. */
  cut: 7,
  /** The caller does not wait any more. */
  cancel: 8,
} as const;

/** The token of who has none yet. */
export const NO_TOKEN = '\0'.repeat(8);

/** How many bytes a datagram carries at most, over IPv4. */
export const MOST_BYTES = 65_507;

const MAGIC = 0x3876;
const VERSION = 1;
const HEAD = 24;
/** The lengths of header and body. */
const LENGTHS = 8;
/** The length of a name or value. */
const LENGTH = 2;

/** How many bytes the shortest call has; a body has as many fewer than {@link MOST_BYTES} at most. */
export const LEAST_CALL_BYTES = HEAD + LENGTHS;

/** The first bytes of a datagram. Token and id are bytes as Latin-1 text, to be compared and looked up. */
export interface Head {
  readonly kind: number;
  readonly token: string;
  readonly id: string;
}

/** Asks for a token. */
export function writeHello(id: string): Buffer {
  return writeDatagram({ kind: KIND.hello, token: NO_TOKEN, id }, '\0'.repeat(LENGTHS));
}

/** A datagram that carries no message. */
export function writeDatagram(
  { kind, token, id }: Head,
  rest = '',
  encoding: BufferEncoding = 'utf8',
): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD + Buffer.byteLength(rest, encoding));
  writeHead(bytes, kind, token, id);
  bytes.write(rest, HEAD, encoding);
  return bytes;
}

/** A datagram that carries a message. Throws `resource_exhausted` for one over the limits. */
export function writeMessage(
  { kind, token, id }: Head,
  message: Message,
  limits: typeof MESSAGE_LIMITS,
): Buffer {
  const { header, body } = message;
  let headerBytes = 0;
  for (const [name, value] of header)
    headerBytes += 2 * LENGTH + Buffer.byteLength(name) + Buffer.byteLength(value);
  const size = HEAD + LENGTHS + headerBytes + body.length;
  if (size > MOST_BYTES) throw tooLarge(headerBytes, body.length);
  const over = excess(message, limits);
  if (over !== undefined) throw over;
  const bytes = Buffer.allocUnsafe(size);
  writeHead(bytes, kind, token, id);
  bytes.writeUInt32BE(headerBytes, HEAD);
  bytes.writeUInt32BE(body.length, HEAD + LENGTH + LENGTH);
  let at = HEAD + LENGTHS;
  for (const pair of header)
    for (const text of pair) {
      const length = bytes.write(text, at + LENGTH);
      bytes.writeUInt16BE(length, at);
      at += LENGTH + length;
    }
  bytes.set(body, at);
  return bytes;
}

/** Puts another token into a datagram that was written. */
export function setToken(datagram: Buffer, token: string): void {
  datagram.write(token, 4, 'latin1');
}

/** What a datagram begins with; `undefined` for one that is no such. */
export function readHead(bytes: Buffer): Head | undefined {
  if (bytes.length < HEAD || bytes.readUInt16BE(0) !== MAGIC || bytes.readUInt8(2) !== VERSION)
    return undefined;
  return {
    kind: bytes.readUInt8(3),
    token: bytes.toString('latin1', 4, 12),
    id: bytes.toString('latin1', 12, HEAD),
  };
}

/** What comes behind the head where that is no message. */
export function readRest(bytes: Buffer, encoding: BufferEncoding = 'utf8'): string {
  return bytes.toString(encoding, HEAD);
}

/** The message in a datagram. Throws `invalid_argument` where there is none, `resource_exhausted` for one over the limits. */
export function readMessage(bytes: Buffer, limits: typeof MESSAGE_LIMITS): Message {
  const begin = HEAD + LENGTHS;
  if (bytes.length < begin) throw malformed('it has no lengths');
  const end = begin + bytes.readUInt32BE(HEAD);
  const bodyBytes = bytes.readUInt32BE(HEAD + LENGTH + LENGTH);
  if (end + bodyBytes !== bytes.length) throw malformed('its lengths do not add up');
  const header = new Metadata();
  let at = begin;
  const text = (): string => {
    const from = at + LENGTH;
    at = from > end ? Infinity : from + bytes.readUInt16BE(from - LENGTH);
    if (at > end) throw malformed('a name or value is longer than the header');
    return bytes.toString('utf8', from, at);
  };
  while (at < end) {
    if (header.size === limits.maxHeaders) throw tooMany(limits.maxHeaders);
    const name = text();
    const value = text();
    if (name === '' || FORBIDDEN.test(name) || FORBIDDEN.test(value))
      throw malformed('a header has no name, or a line break in it');
    header.append(name, value);
  }
  const message = { header, body: bytes.subarray(end) };
  const over = excess(message, limits);
  if (over !== undefined) throw over;
  return message;
}

// CR, LF and NUL would end the header, or the text, of the next wire.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\r\n\0]/;

function writeHead(bytes: Buffer, kind: number, token: string, id: string): void {
  bytes.writeUInt16BE(MAGIC, 0);
  bytes.writeUInt8(VERSION, 2);
  bytes.writeUInt8(kind, 3);
  bytes.write(token, 4, 'latin1');
  bytes.write(id, 12, 'latin1');
}

function malformed(what: string): OctavoError {
  return new OctavoError('invalid_argument', `malformed datagram: ${what}`);
}

function tooMany(most: number): OctavoError {
  return new OctavoError(
    'resource_exhausted',
    `more than ${most} headers: the limit is ${most} (maxHeaders)`,
  );
}

function tooLarge(header: number, body: number): OctavoError {
  return new OctavoError(
    'resource_exhausted',
    `a message with a header of ${header} and a body of ${body} bytes: the limit is one datagram, ${MOST_BYTES} bytes in all; ` +
      'send less at once, or use a transport without this limit, such as http',
  );
}

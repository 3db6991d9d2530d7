import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import { appendChecked, malformed } from './header.js';

/**
 * What Octavo peers say to each other over a bus. `docs/wire.md` has the whole.
 *
 * A frame is a type (1 byte), its number among the frames of its link (4 bytes) and the socket it is about (4 bytes), then what the type says.
 */
export const FRAME = {
  /** To a door: opens a link. Its reply address is where the other side's frames go. */
  hello: 1,
  /** The answer; its reply address is where frames go from now on. */
  welcome: 2,
  /** The first message of a socket that carries one each way. */
  call: 3,
  /** The first message of a socket that carries many. */
  stream: 4,
  /** Any further message. */
  message: 5,
  /** How many messages of a stream have been read, in all. */
  read: 6,
  /** The socket has ended in order. */
  end: 7,
  /** The socket was cut off; an error as in `Micro-Error`. */
  cut: 8,
  /** Are you there? */
  ping: 9,
  pong: 10,
  /** No more sockets on this link; those that are open go on. */
  bye: 11,
  /** The link is not known here, or no more. Not numbered. */
  gone: 12,
} as const;

export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** The dialect's version, the one byte of `hello` and `welcome`. */
export const VERSION = 1;

const HEAD = 9;
const LENGTH = 4;
/** How many times as long a text may be in JSON: six characters for one. */
const JSON_TIMES = 6;

export interface Frame {
  readonly type: number;
  readonly number: number;
  readonly socket: number;
  readonly rest: Buffer;
}

/** A frame whose number is still to be set, by {@link numberFrame}. */
export function writeFrame(type: FrameType, socket: number, rest: Uint8Array | string = ''): Buffer {
  const length = typeof rest === 'string' ? Buffer.byteLength(rest) : rest.length;
  const bytes = Buffer.allocUnsafe(HEAD + length);
  head(bytes, type, socket);
  if (typeof rest === 'string') bytes.write(rest, HEAD);
  else bytes.set(rest, HEAD);
  return bytes;
}

/** A frame that carries a message: the length of the header (4 bytes), its names and values as a JSON array, the body. */
export function writeMessage(type: FrameType, socket: number, { header, body }: Message): Buffer {
  const text = JSON.stringify([...header].flat());
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(HEAD + LENGTH + length + body.length);
  head(bytes, type, socket);
  bytes.writeUInt32BE(length, HEAD);
  bytes.write(text, HEAD + LENGTH);
  bytes.set(body, HEAD + LENGTH + length);
  return bytes;
}

export function numberFrame(frame: Buffer, number: number): void {
  frame.writeUInt32BE(number, 1);
}

/** Throws `invalid_argument` for what is too short to be one. */
export function readFrame(data: Uint8Array): Frame {
  if (data.length < HEAD) throw malformed('it is no frame');
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return {
    type: bytes.readUInt8(0),
    number: bytes.readUInt32BE(1),
    socket: bytes.readUInt32BE(5),
    rest: bytes.subarray(HEAD),
  };
}

/** The message in a frame. Throws `invalid_argument` where there is none, `resource_exhausted` for a header far over its limit. */
export function readMessage(rest: Buffer, maxHeaderBytes: number): Message {
  const length = rest.length < LENGTH ? Infinity : rest.readUInt32BE(0);
  if (length > rest.length - LENGTH) throw malformed('its header is longer than it is');
  if (length > JSON_TIMES * maxHeaderBytes + JSON_TIMES)
    throw new OctavoError(
      'resource_exhausted',
      `a header over ${maxHeaderBytes} bytes came (maxHeaderBytes)`,
    );
  const header = new Metadata();
  const pairs = parsePairs(rest.toString('utf8', LENGTH, LENGTH + length));
  for (let at = 0; at < pairs.length; at += 2) appendChecked(header, pairs[at] ?? '', pairs[at + 1] ?? '');
  return { header, body: rest.subarray(LENGTH + length) };
}

/** How many messages were read, in a `read`. */
export function readCount(rest: Buffer): number {
  if (rest.length !== LENGTH) throw malformed('a count is 4 bytes');
  return rest.readUInt32BE(0);
}

export function writeCount(count: number): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH);
  bytes.writeUInt32BE(count);
  return bytes;
}

function head(bytes: Buffer, type: FrameType, socket: number): void {
  bytes.writeUInt8(type, 0);
  bytes.writeUInt32BE(0, 1);
  bytes.writeUInt32BE(socket, 5);
}

function parsePairs(text: string): string[] {
  let pairs: unknown;
  try {
    pairs = JSON.parse(text);
  } catch {
    throw malformed('its header is no JSON');
  }
  const fine =
    Array.isArray(pairs) && pairs.length % 2 === 0 && pairs.every((each) => typeof each === 'string');
  if (!fine) throw malformed('its header is no list of names and values');
  // Each member was just seen to be a string.
  return pairs as string[];
}

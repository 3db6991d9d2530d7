import { OctavoError } from './error.js';

// gRPC's, gRPC-Web's and Connect's messages alike: a byte of flags, four bytes of length, and what is that long.

/** Bytes before a message: its flags, and its length. */
export const PREFIX_BYTES = 5;
/** The flag of a message that is compressed. */
export const COMPRESSED = 0x01;

/** One message as it was sent. */
export interface GrpcFrame {
  readonly flags: number;
  /** A view of what came. */
  readonly body: Buffer;
}

/** What may come. */
export interface FrameLimits {
  /** Bytes of the longest message, as it is sent. */
  readonly maxBytes: number;
  /** The flags that are understood. @defaultValue none */
  readonly flags?: number;
  /** The options that `maxBytes` comes from, for whoever reads of it. @defaultValue `maxMessageBytes` */
  readonly named?: string;
}

/** The prefix of a message of so many bytes. */
export function writePrefix(length: number, flags = 0): Buffer {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix[0] = flags;
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/** A message with its prefix, in one piece. */
export function writeFrame(body: Uint8Array, flags = 0): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + body.length);
  frame[0] = flags;
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, PREFIX_BYTES);
  return frame;
}

/** Bytes up to which copying a message costs less than sending its prefix apart. */
const SMALL = 16 * 1024;

/** A message on its way out: the prefix with all or nothing of it, and what is left. */
export interface FramedMessage {
  readonly head: Buffer;
  readonly body: Uint8Array;
}

/** A message with its prefix, in one piece where it is small. */
export function framed(body: Uint8Array, flags = 0): FramedMessage {
  return body.length <= SMALL
    ? { head: writeFrame(body, flags), body: NOTHING }
    : { head: writePrefix(body.length, flags), body };
}

/** What has come on one stream and nobody has taken: bytes, as a message takes more memory than that. */
export class GrpcFrames {
  readonly #limits: FrameLimits;
  #bytes: Buffer = NOTHING;
  #from = 0;
  #to = 0;
  /** Whether there is nothing else in the memory that holds them. */
  #own = true;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** How many bytes wait. */
  get held(): number {
    return this.#to - this.#from;
  }

  add(chunk: Buffer): void {
    const { held } = this;
    if (held === 0) {
      this.#bytes = chunk;
      this.#from = 0;
      this.#to = chunk.length;
      this.#own = false;
      return;
    }
    if (!this.#own || this.#to + chunk.length > this.#bytes.length) this.#move(chunk.length);
    this.#to += chunk.copy(this.#bytes, this.#to);
  }

  /** The bytes of the next message with its prefix; `undefined` before that has come. Throws as {@link next}. */
  length(): number | undefined {
    if (this.held < PREFIX_BYTES) return undefined;
    const { maxBytes, flags: known = 0, named = 'maxMessageBytes' } = this.#limits;
    const flags = this.#bytes[this.#from] ?? 0;
    if ((flags & ~known) !== 0) throw unknown(flags);
    const length = this.#bytes.readUInt32BE(this.#from + 1);
    if (length <= maxBytes) return PREFIX_BYTES + length;
    throw new OctavoError(
      'resource_exhausted',
      `a message of ${length} bytes came: the limit is ${maxBytes} (${named})`,
    );
  }

  /**
   * Takes the next message; `undefined` while there is less than one.
   *
   * @throws `unimplemented` for flags that are not known here, `resource_exhausted` for a message over the limit: nothing more can be read
   */
  next(): GrpcFrame | undefined {
    const length = this.length();
    if (length === undefined || length > this.held) return undefined;
    const flags = this.#bytes[this.#from] ?? 0;
    const body = this.#bytes.subarray(this.#from + PREFIX_BYTES, this.#from + length);
    this.#from += length;
    if (this.held === 0) this.clear();
    return { flags, body };
  }

  /** Nobody takes what is there now: it is not to hold more memory than its own. */
  settle(): void {
    if (!this.#own) this.#move(0);
  }

  clear(): void {
    this.#bytes = NOTHING;
    this.#from = 0;
    this.#to = 0;
    this.#own = true;
  }

  /** Moves what is there to memory of its own with room for so much more; what was given out stays where it is. */
  #move(more: number): void {
    const { held } = this;
    const bytes = Buffer.allocUnsafeSlow(more === 0 ? held : Math.max(held + more, 2 * held));
    this.#bytes.copy(bytes, 0, this.#from, this.#to);
    this.#bytes = bytes;
    this.#from = 0;
    this.#to = held;
    this.#own = true;
  }
}

function unknown(flags: number): OctavoError {
  const what =
    flags === COMPRESSED
      ? 'a message with the flag 1 came: nothing is compressed here'
      : `a message with the flags ${flags} came, which are not known here`;
  return new OctavoError('unimplemented', what);
}

const NOTHING = Buffer.alloc(0);

import { OctavoError } from '../../core/error.js';
import { EMPTY } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import * as wire from './frames.js';
import { HeaderReader } from './header-reader.js';

/** The beginning of a message, or the whole of it. */
export interface MessageFrame {
  readonly stream: number;
  /** Whether it is the first of its stream; whether nothing follows on it. */
  readonly open: boolean;
  readonly last: boolean;
  readonly header: Metadata;
  /** What came of the body; a view of what was read. */
  readonly part: Uint8Array;
  /** The bytes of the whole body. */
  readonly bodyBytes: number;
  /** What it takes of the window. */
  readonly charge: number;
}

/** Who is told of frames, in their order. What it throws ends the reading. */
export interface FrameEvents {
  message(frame: MessageFrame): void;
  /** @param begins whether this is the beginning of a frame: the window must have room */
  data(stream: number, piece: Uint8Array, begins: boolean): void;
  /** Nothing follows on the stream. */
  closing(stream: number): void;
  reset(stream: number, unexecuted: boolean): void;
  credit(stream: number, bytes: number): void;
  ping(text: number): void;
  pong(text: number): void;
  goaway(last: number): void;
}

/** Bytes of the payload of each type that has always as many. */
const EXACT: Readonly<Partial<Record<number, number>>> = {
  [wire.END]: 0,
  [wire.RESET]: 0,
  [wire.CREDIT]: 4,
  [wire.PING]: 4,
  [wire.PONG]: 4,
  [wire.GOAWAY]: 0,
};

/**
 * Frames out of bytes, cut at any place.
 *
 * It keeps at most one frame that has not come whole, and nothing of those that carry more of a body: they are handed on as they come.
 */
export class FrameReader {
  readonly #terms: wire.Terms;
  readonly #events: FrameEvents;
  readonly #header: HeaderReader;
  readonly #longestMessage: number;
  #frames = 0;
  #stopped = false;
  /** A frame that came in part: at first eight bytes, then as many as it has. */
  #partial: Buffer | undefined;
  #filled = 0;
  /** How much of a frame with more of a body is still to come, and of which stream. */
  #left = 0;
  #stream = 0;
  #begins = false;

  constructor(terms: wire.Terms, events: FrameEvents) {
    this.#terms = terms;
    this.#events = events;
    this.#header = new HeaderReader(terms.maxHeaderBytes);
    this.#longestMessage = wire.longestMessage(terms);
  }

  /** How many frames came whole. */
  get frames(): number {
    return this.#frames;
  }

  /** Whether a frame has begun and not ended. */
  get partial(): boolean {
    return this.#partial !== undefined || this.#left > 0;
  }

  /** Reads no more, also of what it was given already. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Reads on.
   *
   * @throws `invalid_argument` for what is no frame, `resource_exhausted` for one over a limit: nothing more can be read
   */
  feed(bytes: Buffer): void {
    let at = this.#partial === undefined ? 0 : this.#fill(bytes, this.#partial);
    while (at < bytes.length && !this.#stopped) {
      if (this.#left > 0) {
        at = this.#hand(bytes, at);
        continue;
      }
      if (bytes.length - at < wire.FRAME_BYTES) break;
      const length = this.#check(bytes, at);
      const end = at + wire.FRAME_BYTES + length;
      if (this.#left === 0) {
        if (end > bytes.length) break;
        this.#frame(bytes, at, end);
        at = end;
      } else at += wire.FRAME_BYTES;
    }
    if (at < bytes.length && !this.#stopped) this.#keep(bytes, at);
  }

  /** Looks at the beginning of a frame, and returns the bytes of its payload. One that carries more of a body is under way then. */
  #check(bytes: Buffer, at: number): number {
    const type = (bytes[at] ?? 0) & 0x0f;
    const length = ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    const flags = (bytes[at] ?? 0) & 0xf0;
    if (type === wire.MESSAGE) {
      if ((flags & ~(wire.OPEN | wire.LAST)) !== 0) throw malformed('a message with unknown flags came');
      if (length > this.#longestMessage)
        throw new OctavoError(
          'resource_exhausted',
          `a frame of ${length} bytes came: the limit is ${this.#longestMessage} (maxHeaderBytes, maxHeaders)`,
        );
      return length;
    }
    if (type === wire.DATA) {
      if (flags !== 0 || length === 0 || length > wire.CHUNK)
        throw malformed(`a part of a body has ${length} bytes: from 1 to ${wire.CHUNK} are allowed`);
      this.#left = length;
      this.#begins = true;
      this.#stream = streamOf(bytes, at);
      return length;
    }
    const exact = EXACT[type];
    if (exact === undefined) throw malformed(`a frame of the unknown type ${type} came`);
    if (length !== exact) throw malformed(`a frame of the type ${type} has ${length} bytes, not ${exact}`);
    if (flags !== 0 && (type !== wire.RESET || flags !== wire.UNEXECUTED))
      throw malformed(`a frame of the type ${type} has unknown flags`);
    return length;
  }

  #frame(bytes: Buffer, at: number, end: number): void {
    this.#frames++;
    const stream = streamOf(bytes, at);
    const payload = at + wire.FRAME_BYTES;
    switch ((bytes[at] ?? 0) & 0x0f) {
      case wire.MESSAGE:
        return this.#message(bytes, at, end);
      case wire.END:
        return this.#events.closing(stream);
      case wire.RESET:
        return this.#events.reset(stream, ((bytes[at] ?? 0) & wire.UNEXECUTED) !== 0);
      case wire.CREDIT:
        return this.#events.credit(stream, bytes.readUInt32BE(payload));
      case wire.PING:
        return this.#events.ping(bytes.readUInt32BE(payload));
      case wire.PONG:
        return this.#events.pong(bytes.readUInt32BE(payload));
      default:
        return this.#events.goaway(stream);
    }
  }

  #message(bytes: Buffer, at: number, end: number): void {
    const { maxHeaders, maxMessageBytes } = this.#terms;
    const header = this.#header;
    const from = at + wire.FRAME_BYTES;
    const flags = bytes[at] ?? 0;
    header.begin(bytes, from, end);
    const count = header.number();
    const bodyBytes = header.number();
    if (count > maxHeaders) throw over(`a message of ${count} headers`, maxHeaders, 'maxHeaders');
    if (bodyBytes > maxMessageBytes)
      throw over(`a message of ${bodyBytes} bytes`, maxMessageBytes, 'maxMessageBytes');
    const pairs = header.pairs(count);
    const body = header.at;
    header.done();
    const here = end - body;
    if (here > bodyBytes || here > wire.CHUNK) throw malformed('a message has more of a body than it says');
    this.#events.message({
      stream: streamOf(bytes, at),
      open: (flags & wire.OPEN) !== 0,
      last: (flags & wire.LAST) !== 0,
      header: Metadata.of(pairs),
      part: here === 0 ? EMPTY : bytes.subarray(body, end),
      bodyBytes,
      charge: wire.MESSAGE_CHARGE + wire.PAIR_CHARGE * count + end - from,
    });
  }

  /** Hands on what is there of a part of a body. */
  #hand(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    const begins = this.#begins;
    this.#begins = false;
    this.#left -= end - at;
    if (this.#left === 0) this.#frames++;
    this.#events.data(this.#stream, bytes.subarray(at, end), begins);
    return end;
  }

  /** Keeps the beginning of a frame. What was given may be used for something else afterwards. */
  #keep(bytes: Buffer, at: number): void {
    const size =
      bytes.length - at < wire.FRAME_BYTES ? wire.FRAME_BYTES : wire.FRAME_BYTES + this.#check(bytes, at);
    this.#partial = Buffer.allocUnsafeSlow(size);
    this.#filled = bytes.copy(this.#partial, 0, at);
  }

  /** Adds to the frame that is there in part. Returns how much of the bytes it took. */
  #fill(bytes: Buffer, partial: Buffer): number {
    const taken = bytes.copy(partial, this.#filled);
    this.#filled += taken;
    if (this.#filled < partial.length) return taken;
    this.#partial = undefined;
    const length = this.#check(partial, 0);
    if (this.#left > 0) return taken;
    const size = wire.FRAME_BYTES + length;
    if (partial.length === size) {
      this.#frame(partial, 0, size);
      return taken;
    }
    const whole = Buffer.allocUnsafeSlow(size);
    partial.copy(whole);
    this.#partial = whole;
    return taken + this.#fill(bytes.subarray(taken), whole);
  }
}

function streamOf(bytes: Buffer, at: number): number {
  const stream =
    ((bytes[at + 4] ?? 0) << 24) |
    ((bytes[at + 5] ?? 0) << 16) |
    ((bytes[at + 6] ?? 0) << 8) |
    (bytes[at + 7] ?? 0);
  if (stream < 0) throw malformed(`the number of a stream is over ${wire.LAST_STREAM}`);
  return stream;
}

function over(what: string, limit: number, option: string): OctavoError {
  return new OctavoError('resource_exhausted', `${what} came: the limit is ${limit} (${option})`);
}

function malformed(what: string): OctavoError {
  return new OctavoError('invalid_argument', what);
}

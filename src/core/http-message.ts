import { OctavoError } from './error.js';
import {
  CHUNKED,
  CR,
  LF,
  UNTIL_END,
  checkStart,
  malformed,
  parseHead,
  type HttpHead,
  type HttpLimits,
} from './http-head.js';
import { Metadata } from './metadata.js';

export type { HttpLimits };

/** One HTTP/1.1 message, request or response. */
export interface HttpMessage {
  /** `POST / HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly start: string;
  /** Without those that frame the message: length, encoding, connection, expectation. */
  readonly header: Metadata;
  readonly body: Uint8Array;
  /** Whether the sender will close its connection after it. */
  readonly last: boolean;
  /** When its first byte came, by the clock of whoever feeds the reader. */
  readonly arrivedAt: number;
}

/** Stands for the line break behind the data of a chunk, which is waited for as if it were a chunk of its own. */
const AFTER_DATA = -1;
const NOTHING = Buffer.alloc(0);
/** Bytes of the longest head that is remembered. */
const LONGEST_REMEMBERED = 512;
const END_OF_HEAD = Buffer.from('\r\n\r\n');
/** A size line of a chunk: at most eight hex digits. Extensions are refused, as nobody here sends them and they hide requests from proxies. */
const LONGEST_SIZE_LINE = 10;
/** More empty lines than this before a message are no slip of its sender. */
const MOST_EMPTY_LINES = 8;

/**
 * Cuts a stream of bytes into HTTP/1.1 messages, and no further: there is no pairing of requests and responses, since go-micro sends
 * either at any time on one connection.
 *
 * Source: RFC 9112. Refused, as they are means of request smuggling: a bare LF, a folded header, white space before a colon, two
 * lengths, a length together with an encoding, encodings other than `chunked`, chunk extensions and trailers.
 */
export class HttpReader {
  readonly #limits: HttpLimits;
  readonly #onMessage: (message: HttpMessage) => void;
  readonly #onContinue: (() => void) | undefined;
  #bytes: Buffer = NOTHING;
  /** How much of `#bytes` is known not to hold the end of the head. */
  #searched = 0;
  /** How many empty lines stand before the next message. */
  #emptyLines = 0;
  #head: HttpHead | undefined;
  /** What has come of the body, with room after it. */
  #body: Buffer = NOTHING;
  #bodyBytes = 0;
  /** What is left of the chunk that is being read; `undefined` between chunks. */
  #chunk: number | undefined;
  /** The last response's. */
  #last: Remembered | undefined;
  #paused = false;
  #parsing = false;
  /** When the last bytes came, and the first of the message that is being read. */
  #now = 0;
  #arrivedAt = 0;

  /**
   * @param onMessage called for each message, within {@link feed} or {@link resume}
   * @param onContinue called when the sender waits for `100 Continue`
   */
  constructor(limits: HttpLimits, onMessage: (message: HttpMessage) => void, onContinue?: () => void) {
    this.#limits = limits;
    this.#onMessage = onMessage;
    this.#onContinue = onContinue;
  }

  /** Whether a message has begun and not ended. */
  get partial(): boolean {
    return this.#head !== undefined || this.#bytes.length > 0;
  }

  /** Bytes that have come and were not read yet. */
  get held(): number {
    return this.#bytes.length;
  }

  /** The header of the message that is being read, once it is there. */
  get header(): Pick<HttpMessage, 'start' | 'header'> | undefined {
    return this.#head;
  }

  /**
   * Takes the next bytes in, which came now.
   *
   * @throws `invalid_argument` for what is no HTTP/1.1, `resource_exhausted` over a limit; nothing can be read after either
   */
  feed(bytes: Buffer, now = 0): void {
    this.#now = now;
    if (!this.partial) this.#arrivedAt = now;
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    this.#parse();
  }

  /** Gives no more messages until {@link resume}; the source should be paused too, as what it brings is kept. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#parse();
  }

  /** The source has ended. A response without a length ends with it; any other unfinished message is dropped. */
  end(): void {
    const head = this.#head;
    if (head?.length === UNTIL_END) this.#finish(head);
  }

  #parse(): void {
    // A message may resume the reader while it is given: the loop that gave it goes on.
    if (this.#parsing) return;
    this.#parsing = true;
    try {
      while (!this.#paused && this.#step());
    } finally {
      this.#parsing = false;
    }
  }

  /** Reads one head, chunk or body. Returns whether there may be more to read. */
  #step(): boolean {
    const head = this.#head;
    if (head === undefined) return this.#readHead();
    if (head.length === CHUNKED) return this.#readChunk(head);
    const missing = head.length === UNTIL_END ? Infinity : head.length - this.#bodyBytes;
    if (this.#bytes.length === 0 && missing > 0) return false;
    this.#take(Math.min(missing, this.#bytes.length));
    if (this.#bodyBytes !== head.length) return false;
    this.#finish(head);
    return true;
  }

  #readHead(): boolean {
    // Empty lines before a start line are skipped: RFC 9112 section 2.2.
    while (this.#bytes.length >= 2 && this.#bytes[0] === CR && this.#bytes[1] === LF) {
      if (++this.#emptyLines > MOST_EMPTY_LINES) throw malformed('it begins with nothing but empty lines');
      this.#skip(2);
    }
    if (this.#bytes.length === 0) return false;
    const { maxHeaderBytes } = this.#limits;
    const repeated = this.#repeated();
    if (repeated !== undefined) return this.#opened(repeated.head, repeated.bytes.length);
    const end = this.#bytes.indexOf(END_OF_HEAD, Math.max(0, this.#searched - 3));
    if (end < 0 || end > maxHeaderBytes) {
      checkStart(this.#bytes, maxHeaderBytes);
      // The empty line may be about to come.
      if (end >= 0 || this.#bytes.length >= maxHeaderBytes + END_OF_HEAD.length)
        throw new OctavoError(
          'resource_exhausted',
          `the header is over ${maxHeaderBytes} bytes (maxHeaderBytes)`,
        );
      this.#searched = this.#bytes.length;
      return false;
    }
    const head = parseHead(this.#bytes, end + 4, this.#limits);
    this.#remember(head, end + 4);
    return this.#opened(head, end + 4);
  }

  /** A response whose head is the same as that of the one before, byte by byte; so they mostly are. */
  #repeated(): Remembered | undefined {
    const last = this.#last;
    if (last === undefined) return undefined;
    const { length } = last.bytes;
    if (this.#bytes.length < length || this.#bytes.compare(last.bytes, 0, length, 0, length) !== 0)
      return undefined;
    return { bytes: last.bytes, head: copyOf(last.head) };
  }

  #remember(head: HttpHead, bytes: number): void {
    if (bytes <= LONGEST_REMEMBERED && head.start.startsWith('HTTP/'))
      this.#last = { bytes: Buffer.from(this.#bytes.subarray(0, bytes)), head: copyOf(head) };
  }

  /** The head is read, which takes so many bytes. Returns whether there may be more to read. */
  #opened(head: HttpHead, bytes: number): boolean {
    this.#emptyLines = 0;
    this.#head = head;
    if (head.length > this.#limits.maxMessageBytes) throw this.#tooLarge();
    if (head.length >= 0 && head.length <= this.#bytes.length - bytes) return this.#whole(head, bytes);
    this.#skip(bytes);
    if (head.expects && head.length !== 0 && this.#bytes.length === 0) this.#onContinue?.();
    return true;
  }

  /** Ends a message whose body is all there, as most bodies are. */
  #whole(head: HttpHead, at: number): true {
    const end = at + head.length;
    this.#body = this.#bytes.subarray(at, end);
    this.#bodyBytes = head.length;
    if (end < this.#bytes.length) this.#skip(end);
    else {
      this.#bytes = NOTHING;
      this.#searched = 0;
    }
    this.#finish(head);
    return true;
  }

  #readChunk(head: HttpHead): boolean {
    if (this.#chunk === undefined) {
      const end = this.#bytes.indexOf('\r\n');
      if (end < 0 && this.#bytes.length <= LONGEST_SIZE_LINE) return false;
      const line = this.#bytes.toString('latin1', 0, Math.max(0, Math.min(end, LONGEST_SIZE_LINE)));
      if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw malformed('a chunk begins with no plain size');
      this.#skip(end + 2);
      this.#chunk = Number.parseInt(line, 16);
      if (this.#bodyBytes + this.#chunk > this.#limits.maxMessageBytes) throw this.#tooLarge();
    }
    if (this.#chunk > 0) {
      if (this.#bytes.length === 0) return false;
      const taken = Math.min(this.#chunk, this.#bytes.length);
      this.#take(taken);
      this.#chunk -= taken;
      // The line break after the data is waited for as if it were a chunk of its own.
      if (this.#chunk === 0) this.#chunk = AFTER_DATA;
      return true;
    }
    if (this.#bytes.length < 2) return false;
    if (this.#bytes[0] !== CR || this.#bytes[1] !== LF)
      throw malformed('a chunk does not end where its size says, or trailers follow');
    this.#skip(2);
    const done = this.#chunk === 0;
    this.#chunk = undefined;
    if (done) this.#finish(head);
    return true;
  }

  #take(count: number): void {
    if (count === 0) return;
    const total = this.#bodyBytes + count;
    if (total > this.#limits.maxMessageBytes) throw this.#tooLarge();
    const piece = this.#bytes.subarray(0, count);
    // The first piece is kept as it came: a view of what the socket read, which nobody reuses. More are gathered in one buffer that
    // doubles, as a body that comes byte by byte must not cost an object for each.
    if (this.#bodyBytes === 0) this.#body = piece;
    else {
      if (this.#body.length < total) {
        const wider = Buffer.allocUnsafe(Math.max(total, 2 * this.#bodyBytes));
        wider.set(this.#body.subarray(0, this.#bodyBytes));
        this.#body = wider;
      }
      this.#body.set(piece, this.#bodyBytes);
    }
    this.#bodyBytes = total;
    this.#skip(count);
  }

  #skip(count: number): void {
    this.#bytes = this.#bytes.subarray(count);
    this.#searched = 0;
  }

  #finish(head: HttpHead): void {
    const body = this.#body.length === this.#bodyBytes ? this.#body : this.#body.subarray(0, this.#bodyBytes);
    this.#head = undefined;
    this.#body = NOTHING;
    this.#bodyBytes = 0;
    const arrivedAt = this.#arrivedAt;
    // The next one has begun in these bytes, if it has.
    this.#arrivedAt = this.#now;
    this.#onMessage({ start: head.start, header: head.header, body, last: head.last, arrivedAt });
  }

  #tooLarge(): OctavoError {
    return new OctavoError(
      'resource_exhausted',
      `the message is over ${this.#limits.maxMessageBytes} bytes (maxMessageBytes)`,
    );
  }
}

/** A head, and what was read in it. */
interface Remembered {
  readonly bytes: Buffer;
  readonly head: HttpHead;
}

/** The same with a header of its own: whoever has it may change it. */
function copyOf({ start, header, last, expects, length }: HttpHead): HttpHead {
  return { start, header: new Metadata(header), last, expects, length };
}

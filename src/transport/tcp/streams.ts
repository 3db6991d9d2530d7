import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { PeerCertificate } from '../../core/tls.js';
import type { FrameEvents, MessageFrame } from './frame-reader.js';
import type { FrameWriter } from './frame-writer.js';
import { LAST_STREAM, MESSAGE, OPEN, type Terms } from './frames.js';
import { Stream, type Carrier, type Kept } from './stream.js';
import { StreamTable } from './stream-table.js';

/** What streams need of the connection that they are on. */
export interface StreamsInit {
  readonly remote: string;
  readonly local: () => string;
  readonly certificate: PeerCertificate | undefined;
  readonly clock: Clock;
  readonly writer: FrameWriter;
  readonly terms: Terms;
  readonly timeoutMs: number;
  /** Takes a stream that the other end opened, once its first message is there; `undefined` where it may open none. */
  readonly accept: ((stream: Stream) => void) | undefined;
  /** A stream is over, or no more can be opened here. */
  readonly changed: () => void;
  /** What took a stream threw. */
  readonly refused: (error: OctavoError) => void;
}

/** Bytes of long messages that one connection puts together, or keeps until they are taken. */
const MOST_ARRIVING = 64 * 1024 * 1024;

/** The calls and streams of one connection. They are opened by the end that dialled. */
export class Streams implements Carrier, FrameEvents {
  readonly remote: string;
  readonly certificate: PeerCertificate | undefined;
  readonly writer: FrameWriter;
  readonly terms: Terms;
  readonly timeoutMs: number;
  /** When the bytes came that are read now, and the first byte of the frame that is. */
  readAt = 0;
  frameAt = 0;
  readonly #init: StreamsInit;
  #local: string | undefined;
  #peer: Terms | undefined;
  readonly #open = new StreamTable();
  /** Streams of ours that have sent nothing. */
  readonly #unsent: Stream[] = [];
  /** Those that wait for room in the connection; those that wait for memory, of which so much is in use. */
  readonly #pumping = new Set<Stream>();
  readonly #patient = new Set<Stream>();
  #arriving = 0;
  /** What was read now and nobody has taken. */
  #kept: Kept[] = [];
  #keptBytes = 0;
  /** The number of the last stream. */
  #last = 0;
  /** Whether we have told the other end to open no more; it has told us; none are opened for any reason. */
  #told = false;
  #heardFarewell = false;
  #left = false;

  constructor(init: StreamsInit) {
    this.#init = init;
    this.remote = init.remote;
    this.certificate = init.certificate;
    this.writer = init.writer;
    this.terms = init.terms;
    this.timeoutMs = init.timeoutMs;
  }

  get local(): string {
    return (this.#local ??= this.#init.local());
  }

  get peer(): Terms {
    if (this.#peer === undefined)
      throw new OctavoError('internal', 'a connection was used before it was open');
    return this.#peer;
  }

  set peer(terms: Terms) {
    this.#peer = terms;
    this.writer.limit(terms);
  }

  /** How many there are. */
  get size(): number {
    return this.#open.size + this.#unsent.length;
  }

  /** How many there have been. */
  get count(): number {
    return this.#last;
  }

  /** Whether none can be opened here any more. */
  get over(): boolean {
    return this.#left || this.#last >= LAST_STREAM;
  }

  /** Whether one can be opened now. */
  get free(): boolean {
    return !this.over && this.size < this.peer.maxStreams;
  }

  /** A new stream, of which the other end hears by its first message. */
  open(): Stream {
    const stream = new Stream(this, 0);
    stream.place = this.#unsent.length;
    this.#unsent.push(stream);
    return stream;
  }

  /** Opens no more. */
  leave(): void {
    this.#left = true;
  }

  /** Tells the other end to open no more. */
  farewell(): void {
    this.#told = true;
    this.writer.goaway(this.#last);
  }

  /** Ends all, as the connection is gone. */
  fail(error: OctavoError): void {
    this.#left = true;
    const { message, cause } = error;
    const unsent = new OctavoError('unavailable', message, { cause, executed: false });
    for (const stream of [...this.#unsent]) stream.ended(unsent);
    for (const stream of [...this.#open]) stream.ended(error);
  }

  /** Lets those go on that waited for room in the connection. */
  pump(): void {
    const pumping = [...this.#pumping];
    this.#pumping.clear();
    for (const stream of pumping) stream.pump();
  }

  /** Cuts off those whose other end has taken too long. */
  sweep(now: number): void {
    for (const stream of [...this.#open, ...this.#unsent]) stream.sweep(now);
    if (this.size === 0) this.writer.rest();
  }

  /** So many bytes were read: what waits for its reader is not to hold much more memory than its own. */
  settle(read: number): void {
    if (this.#kept.length === 0) return;
    if (4 * this.#keptBytes < read) for (const each of this.#kept) each.body = new Uint8Array(each.body);
    this.#kept = [];
    this.#keptBytes = 0;
  }

  // What one stream asks for.

  now(): number {
    return this.#init.clock.now();
  }

  number(stream: Stream): number {
    if (stream.id !== 0) return MESSAGE;
    this.#forget(stream);
    stream.id = ++this.#last;
    this.#open.add(stream);
    return MESSAGE | OPEN;
  }

  await(stream: Stream): void {
    this.#pumping.add(stream);
  }

  take(stream: Stream, bytes: number): boolean {
    if (this.#arriving > 0 && this.#arriving + bytes > MOST_ARRIVING) {
      this.#patient.add(stream);
      return false;
    }
    this.#arriving += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#arriving -= bytes;
    const patient = [...this.#patient];
    this.#patient.clear();
    for (const stream of patient) stream.grant();
  }

  keep(message: Kept): void {
    this.#kept.push(message);
    this.#keptBytes += message.body.length;
  }

  ready(stream: Stream): void {
    try {
      this.#init.accept?.(stream);
    } catch (reason) {
      // It would end whoever gave the bytes: the process, at times.
      const error = OctavoError.from(reason);
      this.#init.refused(error);
      stream.close(error);
    }
  }

  release(stream: Stream): void {
    if (stream.id !== 0) {
      if (!this.#open.delete(stream)) return;
    } else if (stream.place < 0) return;
    else this.#forget(stream);
    if (this.#pumping.size > 0) this.#pumping.delete(stream);
    if (this.#patient.size > 0) this.#patient.delete(stream);
    this.#init.changed();
  }

  /** Takes a stream from among those that have sent nothing. */
  #forget(stream: Stream): void {
    const last = this.#unsent.pop();
    if (last !== undefined && last !== stream) {
      this.#unsent[stream.place] = last;
      last.place = stream.place;
    }
    stream.place = -1;
  }

  // What the other end sends.

  message(frame: MessageFrame): void {
    const arrivedAt = this.frameAt;
    this.frameAt = this.readAt;
    const stream = frame.open ? this.#accepted(frame.stream) : this.#known(frame.stream);
    if (stream !== undefined && !stream.message(frame, arrivedAt))
      throw violation('a message came for which there was no room');
  }

  data(id: number, piece: Uint8Array, begins: boolean): void {
    if (this.#known(id)?.data(piece, begins) === false)
      throw violation('more of a body came than there was room for, or than was said');
  }

  closing(id: number): void {
    this.#known(id)?.ended(undefined);
  }

  reset(id: number, unexecuted: boolean): void {
    const what = unexecuted ? 'takes no more streams' : 'cut the call off';
    this.#known(id)?.ended(
      new OctavoError('unavailable', `${this.remote} ${what}`, unexecuted ? { executed: false } : {}),
    );
  }

  credit(id: number, bytes: number): void {
    if (this.#known(id)?.credited(bytes) === false)
      throw violation('leave was given to send nothing, or more than the window');
  }

  ping(text: number): void {
    this.writer.pong(text);
  }

  pong(): void {
    // Whatever comes is a sign of life.
  }

  goaway(last: number): void {
    if (this.#init.accept !== undefined) throw violation('who dialled closes, and says no more');
    if (this.#heardFarewell) throw violation('a second farewell came');
    this.#heardFarewell = true;
    this.#left = true;
    const error = new OctavoError('unavailable', `${this.remote} is closing, and did not take the call`, {
      executed: false,
    });
    for (const stream of [...this.#unsent]) stream.ended(error);
    for (const stream of [...this.#open]) if (stream.id > last) stream.ended(error);
    this.#init.changed();
  }

  /** A stream that the other end opens; `undefined` for one that is not taken. */
  #accepted(id: number): Stream | undefined {
    // Its sender learns that from the farewell, which it has not read yet.
    if (this.#told) return undefined;
    if (this.#init.accept === undefined || id <= this.#last)
      throw violation(`the stream ${id} cannot be opened`);
    this.#last = id;
    if (this.#open.size >= this.terms.maxStreams) {
      this.writer.reset(id, true);
      return undefined;
    }
    const stream = new Stream(this, id);
    this.#open.add(stream);
    return stream;
  }

  /** A stream that is open; `undefined` for one that was. */
  #known(id: number): Stream | undefined {
    const stream = this.#open.get(id);
    if (stream !== undefined || this.#told || (id > 0 && id <= this.#last)) return stream;
    throw violation(`there is no stream ${id}`);
  }
}

function violation(what: string): OctavoError {
  return new OctavoError('invalid_argument', what);
}

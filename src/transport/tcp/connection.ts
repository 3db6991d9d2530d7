import type { Socket as TcpSocket } from 'node:net';
import { formatAddress } from '../../core/address.js';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { FrameReader, type FrameEvents, type MessageFrame } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import { LAST_STREAM, MESSAGE, OPEN, type Terms } from './frames.js';
import { isHttp, readPreface, writePreface } from './preface.js';
import { Stream, type Carrier, type Kept } from './stream.js';
import { Vigil, type VigilOptions } from './vigil.js';

/** How a connection is kept, at either end. */
export interface ConnectionOptions extends Terms, VigilOptions {}

/** Who has a connection. */
export interface ConnectionOwner {
  /** What the other end is called, where we opened the connection. */
  readonly dialled?: string;
  /** Takes a stream that the other end opened, once its first message is there. */
  accept(stream: Stream): void;
  /** The other end has said who it is: streams can be opened. */
  opened(): void;
  /** A stream is over, or no more can be opened here. */
  changed(): void;
  /** The other end did what it may not. */
  refused(error: OctavoError): void;
  /** It is closed, with an error where that was not in order. */
  closed(error: OctavoError | undefined): void;
}

/** Bytes of long messages that one connection puts together, or keeps until they are taken. */
const MOST_ARRIVING = 64 * 1024 * 1024;
/** How many bytes are read in one turn of the event loop: Node reads a socket on and on while there is more. */
const TURN_BYTES = 64 * 1024;

/** How long the other end has to close a connection after it was told to, in milliseconds. */
export const FAREWELL_MS = 1_000;

/** What somebody is told who takes this for a web server. */
const NO_HTTP = `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks Octavo's tcp transport, not HTTP.\n`;

/** One TCP connection that many calls and streams share. Streams are opened by the end that dialled. */
export class Connection implements Carrier, FrameEvents {
  readonly remote: string;
  readonly terms: Terms;
  readonly timeoutMs: number;
  readonly writer: FrameWriter;
  /** How many streams it had carried when somebody looked last. */
  seen = -1;
  readonly #tcp: TcpSocket;
  readonly #clock: Clock;
  readonly #owner: ConnectionOwner;
  readonly #reader: FrameReader;
  readonly #vigil: Vigil;
  readonly #streams = new Map<number, Stream>();
  /** Streams of ours that have sent nothing. */
  readonly #unsent: Stream[] = [];
  /** Those that wait for room in the connection; those that wait for memory, of which so much is in use. */
  readonly #pumping = new Set<Stream>();
  readonly #patient = new Set<Stream>();
  #arriving = 0;
  #local: string | undefined;
  /** What was read now and nobody has taken. */
  #kept: Kept[] = [];
  #keptBytes = 0;
  #peer: Terms | undefined;
  #preface: Buffer = NOTHING;
  /** The number of the last stream. */
  #last = 0;
  /** Whether we have told the other end to open no more, it has told us, or none are opened for any reason. */
  #told = false;
  #parted = false;
  #left = false;
  #ending: Timer | undefined;
  #error: OctavoError | undefined;
  #closed = false;
  /** When the bytes came that are read now, and the first byte of the frame that is. */
  #readAt = 0;
  #frameAt = 0;
  #readSinceRest = 0;
  #resting = false;
  /** Whether what comes is thrown away. */
  #deaf = false;

  constructor(tcp: TcpSocket, clock: Clock, options: ConnectionOptions, owner: ConnectionOwner) {
    this.#tcp = tcp;
    this.#clock = clock;
    this.#owner = owner;
    this.terms = options;
    this.timeoutMs = options.timeoutMs;
    this.remote = owner.dialled ?? formatAddress(tcp.remoteAddress ?? '', tcp.remotePort ?? 0);
    this.writer = new FrameWriter(tcp, options);
    this.#reader = new FrameReader(options, this);
    this.#vigil = new Vigil(options, clock.now());
    tcp.setNoDelay(true);
    tcp.on('data', (bytes: Buffer) => this.#read(bytes));
    tcp.on('drain', () => this.#drained());
    tcp.on('error', (cause) => this.#broken(`broke: ${cause.message}`, cause));
    tcp.on('close', () => this.#gone());
    if (owner.dialled !== undefined) tcp.write(writePreface(options));
  }

  get local(): string {
    return (this.#local ??= formatAddress(this.#tcp.localAddress ?? '', this.#tcp.localPort ?? 0));
  }

  get peer(): Terms {
    if (this.#peer === undefined)
      throw new OctavoError('internal', 'a connection was used before it was open');
    return this.#peer;
  }

  /** How many streams it carries. */
  get size(): number {
    return this.#streams.size + this.#unsent.length;
  }

  /** How many streams it has carried. */
  get count(): number {
    return this.#last;
  }

  /** Whether no stream can be opened here any more; whether one can be now. */
  get over(): boolean {
    return this.#left || this.#closed || this.#last >= LAST_STREAM;
  }

  get free(): boolean {
    return !this.over && this.size < this.peer.maxStreams;
  }

  now(): number {
    return this.#clock.now();
  }

  /** A new stream, of which the other end hears by its first message. */
  open(): Stream {
    const stream = new Stream(this, 0);
    stream.place = this.#unsent.length;
    this.#unsent.push(stream);
    return stream;
  }

  /** Whether the process may end while this connection is open. */
  set background(background: boolean) {
    if (background) this.#tcp.unref();
    else this.#tcp.ref();
  }

  /** Tells the other end to open no more streams, and closes after those that there are. */
  farewell(): void {
    if (this.#told || this.#closed) return;
    this.#told = true;
    if (this.#peer === undefined) return this.destroy();
    this.writer.goaway(this.#last);
    this.#part();
  }

  /** Writes what is left, and closes. */
  end(): void {
    this.#left = true;
    if (this.#closed || this.#tcp.writableEnded) return;
    this.writer.flush();
    this.#tcp.end();
    this.#ending?.cancel();
    if (this.timeoutMs > 0)
      this.#ending = this.#clock.after(this.timeoutMs, () => this.destroy(), { background: true });
  }

  /** Cuts the connection. */
  destroy(error?: OctavoError): void {
    this.#error ??= error;
    this.#reader.stop();
    this.#tcp.destroy();
  }

  /** Looks whether the other end is there and keeps its times. Called every so often. */
  sweep(): void {
    if (this.#closed) return;
    const now = this.#clock.now();
    for (const stream of [...this.#streams.values(), ...this.#unsent]) stream.sweep(now);
    if (this.size === 0) this.writer.rest();
    const { frames, partial } = this.#reader;
    const { full } = this.writer;
    const greeted = this.#peer !== undefined;
    const found = this.#vigil.look(now, {
      full,
      deaf: full && this.#accepts,
      begun: !greeted || partial,
      frames: frames + (greeted ? 1 : 0),
    });
    if (found === undefined) return;
    if (found === 'ask') this.writer.ping();
    // What came while this process was busy has not been read yet.
    else if (found === 'silent') setImmediate(() => this.#silent());
    else this.#refuse(new OctavoError('deadline_exceeded', found));
  }

  #silent(): void {
    const silence = this.#vigil.silence;
    if (silence !== undefined) this.destroy(new OctavoError('unavailable', `${this.remote} ${silence}`));
  }

  get #accepts(): boolean {
    return this.#owner.dialled === undefined;
  }

  // What streams ask for.

  number(stream: Stream): number {
    if (stream.id !== 0) return MESSAGE;
    this.#forget(stream);
    stream.id = ++this.#last;
    this.#streams.set(stream.id, stream);
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
      this.#owner.accept(stream);
    } catch (reason) {
      // It would end whoever gave the bytes: the process, at times.
      const error = OctavoError.from(reason);
      this.#owner.refused(error);
      stream.close(error);
    }
  }

  release(stream: Stream): void {
    if (stream.id !== 0) {
      if (!this.#streams.delete(stream.id)) return;
    } else if (stream.place < 0) return;
    else this.#forget(stream);
    if (this.#pumping.size > 0) this.#pumping.delete(stream);
    if (this.#patient.size > 0) this.#patient.delete(stream);
    if (this.size === 0) this.#part();
    this.#owner.changed();
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

  /** Closes where nothing more is to come: the end that dialled does so, and knows that it has sent nothing that is lost. */
  #part(): void {
    if (this.size > 0 || this.#closed) return;
    if (this.#left) this.end();
    else if (this.#told)
      this.#ending ??= this.#clock.after(FAREWELL_MS, () => this.end(), { background: true });
  }

  // What the other end sends.

  message(frame: MessageFrame): void {
    const arrivedAt = this.#frameAt;
    this.#frameAt = this.#readAt;
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
    if (this.#accepts) throw violation('who dialled closes, and says no more');
    if (this.#parted) throw violation('a second farewell came');
    this.#parted = true;
    this.#left = true;
    const error = new OctavoError('unavailable', `${this.remote} is closing, and did not take the call`, {
      executed: false,
    });
    for (const stream of [...this.#unsent]) stream.ended(error);
    for (const stream of [...this.#streams.values()]) if (stream.id > last) stream.ended(error);
    this.#part();
    this.#owner.changed();
  }

  /** A stream that the other end opens; `undefined` for one that is not taken. */
  #accepted(id: number): Stream | undefined {
    // Its sender learns that from the farewell, which it has not read yet.
    if (this.#told) return undefined;
    if (!this.#accepts || id <= this.#last) throw violation(`the stream ${id} cannot be opened`);
    this.#last = id;
    if (this.#streams.size >= this.terms.maxStreams) {
      this.writer.reset(id, true);
      return undefined;
    }
    const stream = new Stream(this, id);
    this.#streams.set(id, stream);
    return stream;
  }

  /** A stream that is open; `undefined` for one that was. */
  #known(id: number): Stream | undefined {
    const stream = this.#streams.get(id);
    if (stream !== undefined || this.#told || (id > 0 && id <= this.#last)) return stream;
    throw violation(`there is no stream ${id}`);
  }

  #read(bytes: Buffer): void {
    if (this.#deaf) return;
    this.#vigil.hear();
    this.#readAt = this.#clock.now();
    if (!this.#reader.partial) this.#frameAt = this.#readAt;
    try {
      if (this.#peer === undefined) this.#greet(bytes);
      else this.#reader.feed(bytes);
    } catch (reason) {
      return this.#refuse(OctavoError.from(reason));
    }
    if (this.#kept.length > 0) this.#settle(bytes.length);
    this.#readSinceRest += bytes.length;
    if (this.#resting) return;
    // Who does not read what it was answered is not read. Who dialled bounds what it asks by itself, or both would wait for ever.
    if (this.#accepts && this.writer.full) this.#tcp.pause();
    else if (this.#readSinceRest >= TURN_BYTES) this.#rest();
  }

  /** What waits for its reader is not to hold much more memory than its own. */
  #settle(read: number): void {
    if (4 * this.#keptBytes < read) for (const each of this.#kept) each.body = new Uint8Array(each.body);
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #rest(): void {
    this.#resting = true;
    this.#tcp.pause();
    setImmediate(() => {
      this.#resting = false;
      this.#readSinceRest = 0;
      if (!this.#accepts || !this.writer.full) this.#tcp.resume();
    });
  }

  #drained(): void {
    this.writer.drained();
    const pumping = [...this.#pumping];
    this.#pumping.clear();
    for (const stream of pumping) stream.pump();
    if (!this.#resting && !this.writer.full) this.#tcp.resume();
  }

  #greet(bytes: Buffer): void {
    const all = this.#preface.length === 0 ? bytes : Buffer.concat([this.#preface, bytes]);
    this.#preface = all;
    const read = readPreface(all);
    if (read === undefined) return;
    this.#preface = NOTHING;
    this.#peer = read.terms;
    this.writer.limit(read.terms);
    if (this.#accepts) this.#tcp.write(writePreface(this.terms));
    this.#owner.opened();
    if (all.length > read.bytes) this.#reader.feed(all.subarray(read.bytes));
  }

  /** What came cannot be read: nothing more is, and every stream fails. */
  #refuse(error: OctavoError): void {
    this.#owner.refused(error);
    this.#reader.stop();
    this.#deaf = true;
    this.#broken(`was given up: ${error.message}`, error);
    if (this.#peer !== undefined || !this.#accepts) return this.destroy();
    // Somebody else, or another version, which learns from our preface what this is.
    const { code } = error;
    if (code === 'invalid_argument')
      this.#tcp.write(isHttp(this.#preface) ? NO_HTTP : writePreface(this.terms));
    this.#tcp.destroySoon();
  }

  #broken(what: string, cause: Error): void {
    this.#error ??= new OctavoError('unavailable', `the connection to ${this.remote} ${what}`, { cause });
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ending?.cancel();
    this.#reader.stop();
    const lost = this.#error ?? new OctavoError('unavailable', `${this.remote} closed the connection`);
    const { cause, message } = lost;
    const unsent = new OctavoError('unavailable', message, { cause, executed: false });
    for (const stream of [...this.#unsent]) stream.ended(unsent);
    for (const stream of [...this.#streams.values()]) stream.ended(lost);
    this.#owner.closed(this.#error);
  }
}

const NOTHING = Buffer.alloc(0);

function violation(what: string): OctavoError {
  return new OctavoError('invalid_argument', what);
}

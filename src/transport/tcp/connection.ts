import type { Socket as TcpSocket } from 'node:net';
import { formatAddress } from '../../core/address.js';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { PeerCertificate } from '../../core/tls.js';
import { FrameReader } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import type { Terms } from './frames.js';
import { isHttp, readPreface, writePreface, writeRefusal } from './preface.js';
import type { Stream } from './stream.js';
import { Streams } from './streams.js';
import { Vigil, type VigilOptions } from './vigil.js';

/** How a connection is kept, at either end. */
export interface ConnectionOptions extends Terms, VigilOptions {}

/** Who has a connection. */
export interface ConnectionOwner {
  /** What the other end is called, where we opened the connection. */
  readonly dialled?: string;
  /** What the other end has shown of itself, where it was asked for a certificate. */
  readonly certificate?: PeerCertificate | undefined;
  /** Why the other end is served nothing, which it is told. */
  readonly unwelcome?: OctavoError | undefined;
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

/** How many bytes are read in one turn of the event loop: Node reads a socket on and on while there is more. */
const TURN_BYTES = 64 * 1024;

/** How long the other end has to close a connection after it was told to, in milliseconds. */
export const FAREWELL_MS = 1_000;

/** One TCP connection that many calls and streams share. */
export class Connection {
  readonly streams: Streams;
  /** How many streams it had carried when its owner looked last. */
  seen = -1;
  readonly #tcp: TcpSocket;
  readonly #clock: Clock;
  readonly #options: ConnectionOptions;
  readonly #owner: ConnectionOwner;
  /** Whether the other end dialled. */
  readonly #accepts: boolean;
  readonly #writer: FrameWriter;
  readonly #reader: FrameReader;
  readonly #vigil: Vigil;
  readonly #remote: string;
  #greeted = false;
  #preface: Buffer = NOTHING;
  #told = false;
  #ending: Timer | undefined;
  #error: OctavoError | undefined;
  #closed = false;
  #readSinceRest = 0;
  #resting = false;
  /** Whether what comes is thrown away. */
  #deaf = false;

  constructor(tcp: TcpSocket, clock: Clock, options: ConnectionOptions, owner: ConnectionOwner) {
    this.#tcp = tcp;
    this.#clock = clock;
    this.#options = options;
    this.#owner = owner;
    this.#accepts = owner.dialled === undefined;
    this.#remote = owner.dialled ?? formatAddress(tcp.remoteAddress ?? '', tcp.remotePort ?? 0);
    this.#writer = new FrameWriter(tcp, options);
    this.streams = new Streams({
      remote: this.#remote,
      local: () => formatAddress(tcp.localAddress ?? '', tcp.localPort ?? 0),
      certificate: owner.certificate,
      clock,
      writer: this.#writer,
      terms: options,
      timeoutMs: options.timeoutMs,
      accept: this.#accepts ? (stream) => owner.accept(stream) : undefined,
      changed: () => this.#changed(),
      refused: (error) => owner.refused(error),
    });
    this.#reader = new FrameReader(options, this.streams);
    this.#vigil = new Vigil(options, clock.now());
    tcp.setNoDelay(true);
    tcp.on('data', (bytes: Buffer) => this.#read(bytes));
    tcp.on('drain', () => this.#drained());
    tcp.on('error', (cause) => this.#broken(`broke: ${cause.message}`, cause));
    tcp.on('end', () => this.end());
    tcp.on('close', () => this.#gone());
    if (!this.#accepts) tcp.write(writePreface(options));
  }

  /** How many calls and streams there are, and how many there have been. */
  get size(): number {
    return this.streams.size;
  }
  get count(): number {
    return this.streams.count;
  }

  /** Whether one can be opened here now, and whether none can be any more. */
  get free(): boolean {
    return this.streams.free;
  }
  get over(): boolean {
    return this.streams.over;
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
    if (!this.#greeted) return this.destroy();
    this.streams.farewell();
    this.#part();
  }

  /** Writes what is left, and closes. */
  end(): void {
    this.streams.leave();
    if (this.#closed || this.#tcp.writableEnded) return;
    this.#writer.flush();
    this.#tcp.end();
    this.#ending?.cancel();
    const { timeoutMs } = this.#options;
    if (timeoutMs > 0)
      this.#ending = this.#clock.after(timeoutMs, () => this.destroy(), { background: true });
  }

  /** Cuts the connection. */
  destroy(error?: OctavoError): void {
    this.#error ??= error;
    this.#reader.stop();
    this.#tcp.destroy();
  }

  /** Looks whether the other end is there and keeps its times. Called every so often. */
  sweep(): void {
    if (this.#closed || this.#deaf) return;
    const now = this.#clock.now();
    this.streams.sweep(now);
    const { frames, partial } = this.#reader;
    const { full } = this.#writer;
    const found = this.#vigil.look(now, {
      full,
      deaf: full && this.#accepts,
      begun: !this.#greeted || partial,
      frames: frames + (this.#greeted ? 1 : 0),
    });
    if (found === undefined) return;
    if (found === 'ask') this.#writer.ping();
    // What came while this process was busy has not been read yet.
    else if (found === 'silent') setImmediate(() => this.#silent());
    else this.#refuse(new OctavoError('deadline_exceeded', found));
  }

  #silent(): void {
    const { silence } = this.#vigil;
    if (silence !== undefined) this.destroy(new OctavoError('unavailable', `${this.#remote} ${silence}`));
  }

  #changed(): void {
    this.#part();
    this.#owner.changed();
  }

  /** Closes where nothing more is to come: the end that dialled does so, and knows that it has sent nothing that is lost. */
  #part(): void {
    if (this.streams.size > 0 || this.#closed) return;
    if (!this.#accepts && this.streams.over) this.end();
    else if (this.#told)
      this.#ending ??= this.#clock.after(FAREWELL_MS, () => this.end(), { background: true });
  }

  #read(bytes: Buffer): void {
    if (this.#deaf) return;
    const { streams } = this;
    this.#vigil.hear();
    streams.readAt = this.#clock.now();
    if (!this.#reader.partial) streams.frameAt = streams.readAt;
    try {
      if (this.#greeted) this.#reader.feed(bytes);
      else this.#greet(bytes);
    } catch (reason) {
      return this.#refuse(OctavoError.from(reason));
    }
    streams.settle(bytes.length);
    this.#readSinceRest += bytes.length;
    if (this.#resting) return;
    // Who does not read what it was answered is not read. Who dialled bounds what it asks by itself, or both would wait for ever.
    if (this.#accepts && this.#writer.full) this.#tcp.pause();
    else if (this.#readSinceRest >= TURN_BYTES) this.#rest();
  }

  #rest(): void {
    this.#resting = true;
    this.#tcp.pause();
    setImmediate(() => {
      this.#resting = false;
      this.#readSinceRest = 0;
      if (!this.#accepts || !this.#writer.full) this.#tcp.resume();
    });
  }

  #drained(): void {
    this.#writer.drained();
    this.streams.pump();
    if (!this.#resting && !this.#writer.full) this.#tcp.resume();
  }

  #greet(bytes: Buffer): void {
    this.#preface = this.#preface.length === 0 ? bytes : Buffer.concat([this.#preface, bytes]);
    const read = readPreface(this.#preface, !this.#accepts);
    if (read === undefined) return;
    if (this.#owner.unwelcome !== undefined) throw this.#owner.unwelcome;
    const rest = this.#preface.subarray(read.bytes);
    this.#preface = NOTHING;
    this.#greeted = true;
    this.streams.peer = read.terms;
    if (this.#accepts) this.#tcp.write(writePreface(this.#options));
    this.#owner.opened();
    if (rest.length > 0) this.#reader.feed(rest);
  }

  /** What came cannot be read, or did not come: nothing more is read, and every stream fails. */
  #refuse(error: OctavoError): void {
    this.#reader.stop();
    this.#deaf = true;
    this.#owner.refused(error);
    this.#broken(`was given up: ${error.message}`, error);
    if (this.#greeted || !this.#accepts) return this.destroy();
    if (error.code !== 'deadline_exceeded') this.#tcp.write(this.#answer(error));
    this.#tcp.destroySoon();
  }

  /** What somebody hears who is not served. Another version learns from our preface what this is. */
  #answer(error: OctavoError): Uint8Array | string {
    const { unwelcome } = this.#owner;
    if (isHttp(this.#preface))
      return noHttp(unwelcome?.message ?? `This port speaks Octavo's tcp transport, not HTTP.`);
    return error === unwelcome ? writeRefusal(unwelcome) : writePreface(this.#options);
  }

  #broken(what: string, cause: Error): void {
    this.#error ??= new OctavoError('unavailable', `the connection to ${this.#remote} ${what}`, { cause });
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ending?.cancel();
    this.#reader.stop();
    this.streams.fail(this.#error ?? new OctavoError('unavailable', `${this.#remote} closed the connection`));
    this.#owner.closed(this.#error);
  }
}

const NOTHING = Buffer.alloc(0);

/** What somebody is told who takes this for a web server. */
function noHttp(text: string): string {
  return `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n${text}\n`;
}

import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  OutgoingHttpHeaders,
  ServerHttp2Session,
} from 'node:http2';
import type { Socket as TcpSocket } from 'node:net';
import { formatAddress } from '../address.js';
import type { Clock } from '../clock.js';
import { OctavoError } from '../error.js';
import type { PeerCertificate } from '../tls.js';
import type { Attached } from './attached.js';

/** How a connection is kept, at either end. Times are milliseconds, and `0` is for ever. */
export interface SessionOptions {
  /** For how long the other end may leave something untaken, or a message half sent. */
  readonly timeoutMs: number;
  /** How much of one stream the other end may send before it is read, in bytes. */
  readonly windowBytes: number;
  /** How many streams the other end may have open. */
  readonly maxStreams: number;
  /** For how long a connection may take to speak HTTP/2. */
  readonly headerTimeoutMs: number;
  /** After which silence the other end is taken for dead. */
  readonly keepaliveMs: number;
}

/** Who has a connection. */
export interface SessionInit {
  readonly clock: Clock;
  readonly options: SessionOptions;
  /** What is under it. */
  readonly tcp: TcpSocket;
  /** What the other end is called, where we opened the connection. */
  readonly dialled?: string;
  /** What the other end has shown of itself, where it was asked for a certificate. */
  readonly certificate?: PeerCertificate | undefined;
  /** It has said what it takes: streams can be opened. */
  opened(): void;
  /** A stream is over, or none can be opened here any more. */
  changed(): void;
  /** The other end did what it may not. */
  refused(error: OctavoError): void;
  /** It is closed, with an error where that was not in order. */
  closed(error: OctavoError | undefined): void;
}

/** A stream on a connection. */
export interface Carried {
  /** Gives the other end leave to send, where there is room for what is to come. */
  readOn(): void;
  /** Cuts it off where the other end has taken too long. */
  sweep(now: number): void;
  cut(): void;
}

/** A call or a stream that has sent nothing. */
export interface Unsent {
  /** It cannot be opened here any more. */
  lost(error: OctavoError): void;
}

/** Bytes of messages longer than the window that one connection puts together at a time. */
const MOST_ARRIVING = 64 * 1024 * 1024;
/** How often a peer that is not Octavo's is asked for a sign of life, in milliseconds: grpc-go closes the connection of who asks more often. */
const GO_PING_MS = 330_000;
/** How many streams we reset, at once and in each second: nghttp2 takes who resets more than 1,000, and 33 in each second, for an attacker. */
const RESETS = { many: 500, most: 950, perSecond: 16 };
/** The window of a connection, of which each stream gives back at once what it takes. */
const CONNECTION_WINDOW = 4 * 1024 * 1024;

/** One connection of HTTP/2 that many calls and streams share. */
export class Session {
  readonly http2: ClientHttp2Session | ServerHttp2Session;
  readonly options: SessionOptions;
  readonly certificate: PeerCertificate | undefined;
  readonly remote: string;
  readonly wires = new Set<Carried>();
  /** Calls and streams that have sent nothing. */
  readonly unsent = new Set<Unsent>();
  /** How many streams there have been; how many when its owner looked last. */
  count = 0;
  seen = -1;
  /** Why it is closed, where that was not in order. */
  error: OctavoError | undefined;
  /** Whether the other end may be asked for signs of life as often as we like. */
  patient: boolean;
  /** Whether the other end was told to open no more streams. */
  leaving = false;
  readonly #init: SessionInit;
  readonly #waiting = new Set<Carried>();
  #closing: Attached[] = [];
  #open = false;
  #left = false;
  /** Whether no streams are opened here any more, because too many were reset. */
  #retired = false;
  #arriving = 0;
  #bytes = 0;
  #heardAt: number;
  #askedAt = -Infinity;
  #asking = false;
  #resets = 0;
  #resetAt = 0;

  constructor(http2: ClientHttp2Session | ServerHttp2Session, init: SessionInit) {
    this.http2 = http2;
    this.#init = init;
    this.options = init.options;
    this.certificate = init.certificate;
    this.patient = init.dialled === undefined;
    this.#heardAt = init.clock.now();
    const { remoteAddress = '', remotePort = 0 } = init.tcp;
    this.remote = init.dialled ?? formatAddress(remoteAddress, remotePort);
    http2.on('error', (cause) => this.#broken(cause));
    http2.on('goaway', () => {
      this.#abandon(`${this.remote} is closing, and did not take the call`);
      // Node closes its end of the session after this.
      process.nextTick(() => init.changed());
    });
    http2.on('close', () => this.#closed());
    http2.on('remoteSettings', () => {
      if (this.#open) return;
      this.#open = true;
      http2.setLocalWindowSize(CONNECTION_WINDOW);
      init.opened();
    });
  }

  /** Whether the other end has said what it takes. */
  get open(): boolean {
    return this.#open;
  }

  get local(): string {
    const { localAddress = '', localPort = 0 } = this.#init.tcp;
    return formatAddress(localAddress, localPort);
  }

  /** How many calls and streams there are. */
  get size(): number {
    return this.wires.size + this.unsent.size;
  }

  /** Whether none can be opened here any more. */
  get over(): boolean {
    return this.#retired || this.#ending;
  }

  get #ending(): boolean {
    return this.#left || this.http2.closed || this.http2.destroyed;
  }

  /** Whether one can be opened now. */
  get free(): boolean {
    return (
      this.#open && !this.over && this.size < (this.http2.remoteSettings.maxConcurrentStreams ?? Infinity)
    );
  }

  /** Whether the process may end while this connection is open. */
  set background(background: boolean) {
    if (background) this.http2.unref();
    else this.http2.ref();
  }

  now(): number {
    return this.#init.clock.now();
  }

  /** Opens a stream. Throws where none can be opened any more. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    if (!('request' in this.http2)) throw new OctavoError('internal', 'only who dialled opens streams');
    return this.http2.request(headers, { endStream: false });
  }

  /** Tells the other end to open no more streams. */
  farewell(): void {
    if (this.leaving || this.over) return;
    this.leaving = true;
    this.http2.goaway();
  }

  /** Whether a stream may be reset. Where it may not, an orderly end says nearly as much. */
  mayReset(): boolean {
    return this.#countReset(RESETS.many);
  }

  /**
   * Whether a stream may be reset where nothing else ends it. Where many were, no more are opened here: another connection may reset as many
   * again, and those that are left may be reset without harm.
   */
  mustReset(): boolean {
    const may = this.#countReset(RESETS.most);
    if (this.#resets > RESETS.many && !this.#retired) {
      this.#retired = true;
      setImmediate(() => this.#init.changed());
    }
    return may;
  }

  #countReset(most: number): boolean {
    const now = this.now();
    this.#resets = Math.max(0, this.#resets - ((now - this.#resetAt) * RESETS.perSecond) / 1_000);
    this.#resetAt = now;
    if (this.#resets + 1 > most) return false;
    this.#resets++;
    return true;
  }

  /** A call or a stream is given up that had sent nothing. */
  released(): void {
    this.#init.changed();
  }

  /** Closes once nothing is under way any more. */
  end(): void {
    if (this.#ending) return;
    this.#left = true;
    setImmediate(() => this.http2.close());
  }

  /** Cuts it: what is under it, and by and by, as nghttp2 may be at work on it in this moment. */
  destroy(error?: OctavoError): void {
    this.#left = true;
    this.error ??= error;
    setImmediate(() => this.#init.tcp.destroy());
  }

  add(wire: Carried): void {
    this.count++;
    this.wires.add(wire);
  }

  remove(wire: Carried): void {
    this.wires.delete(wire);
    this.#waiting.delete(wire);
    this.#init.changed();
  }

  /** Tells those whose streams have closed, in a turn in which nghttp2 is not at work. */
  later(attached: Attached): void {
    if (this.#closing.push(attached) === 1) setImmediate(() => this.#tellClosed());
  }

  /** Takes memory for a long message that is put together. If there is none, {@link Carried.readOn} is called when there may be. */
  take(wire: Carried, bytes: number): boolean {
    if (this.#arriving > 0 && this.#arriving + bytes > MOST_ARRIVING) {
      this.#waiting.add(wire);
      return false;
    }
    this.#arriving += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#arriving -= bytes;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wire of waiting) wire.readOn();
  }

  /** Looks whether the other end is there and keeps its times. Called every so often. */
  sweep(now: number): void {
    for (const wire of [...this.wires]) wire.sweep(now);
    const { keepaliveMs } = this.options;
    if (this.over && this.wires.size === 0) return;
    if (this.#hears(now) || keepaliveMs === 0 || !this.#open) return;
    const silentMs = now - this.#heardAt;
    if (this.#asking && now - this.#askedAt >= (2 * keepaliveMs) / 3)
      // What came while this process was busy has not been read yet.
      return void setImmediate(() => this.#silent());
    if (!this.#asking && silentMs >= keepaliveMs / 3) this.#ask(now);
  }

  #tellClosed(): void {
    const closing = this.#closing;
    this.#closing = [];
    for (const attached of closing) attached.gone();
  }

  /** Whether something came since the last look. */
  #hears(now: number): boolean {
    const { bytesRead } = this.#init.tcp;
    if (bytesRead === this.#bytes) return false;
    this.#bytes = bytesRead;
    this.#heardAt = now;
    this.#asking = false;
    return true;
  }

  #ask(now: number): void {
    if (!this.patient && (this.wires.size === 0 || now - this.#askedAt < GO_PING_MS)) return;
    this.#asking = true;
    this.#askedAt = now;
    this.http2.ping(() => {});
  }

  #silent(): void {
    if (this.http2.destroyed || this.#hears(this.now())) return;
    const what = `${this.remote} was silent for ${this.options.keepaliveMs} ms (keepaliveMs)`;
    this.destroy(new OctavoError('unavailable', what));
  }

  #broken(cause: NodeJS.ErrnoException): void {
    const what = `the connection to ${this.remote} broke: ${cause.message}`;
    this.error ??= new OctavoError('unavailable', what, { cause });
    if (cause.code?.startsWith('ERR_HTTP2') === true) this.#init.refused(this.error);
  }

  #abandon(why: string): void {
    const error = new OctavoError('unavailable', why, { cause: this.error, executed: false });
    for (const unsent of [...this.unsent]) unsent.lost(error);
  }

  #closed(): void {
    this.#abandon(this.error?.message ?? `${this.remote} closed the connection`);
    for (const wire of [...this.wires]) wire.cut();
    this.#init.closed(this.error);
  }
}

/** How often to look, so that what is late is noticed before a third of its time more. */
export function lookEvery({ timeoutMs, headerTimeoutMs, keepaliveMs }: SessionOptions): number {
  const times = [timeoutMs, headerTimeoutMs, keepaliveMs].filter((ms) => ms > 0);
  return times.length === 0 ? 0 : Math.max(20, Math.floor(Math.min(...times) / 6));
}

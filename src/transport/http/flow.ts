import type { Socket as TcpSocket } from 'node:net';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Secured } from '../../core/handshakes.js';
import { HttpReader, type HttpLimits, type HttpMessage } from '../../core/http-message.js';
import { HttpWriter } from '../../core/http-writer.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import { formatAddress } from '../../core/address.js';
import { certificateRefused, tlsFault } from '../../core/tls-fault.js';

/** The limits and times that both ends of a connection keep. */
export interface FlowOptions extends HttpLimits {
  /** For how long a message that has begun may take to arrive, or to leave, in milliseconds; `0` is for ever. */
  readonly timeoutMs: number;
  /** For how long its header may take, in milliseconds; `0` is for ever. */
  readonly headerTimeoutMs: number;
}

/** What the owner of a connection is told. */
export interface FlowEvents {
  message(message: HttpMessage): void;
  /** All that came was read, as far as it goes. */
  read?(): void;
  /** The other end will send no more; what it has begun is dropped. */
  end(): void;
  /** What came is no HTTP/1.1, over a limit, or late. Nothing more can be read. */
  malformed(error: OctavoError): void;
  /** The connection is gone; with an error where it broke. */
  closed(error: OctavoError | undefined): void;
}

/** How long the other end has to close its side after we closed ours. */
const LINGER_MS = 2_000;
/** How long a connection may be silent before the system asks whether the other end is still there. */
const KEEP_ALIVE_MS = 15_000;
/** Bytes that are read and kept while nobody takes messages, so that an end behind them is noticed. */
const READ_AHEAD = 64 * 1024;

/** How often a connection that is not read is asked whether it still is one, in milliseconds. */
const ASK_MS = 20;
/** How many bytes of a connection are read in one turn of the event loop. */
const TURN_BYTES = 64 * 1024;
const NOTHING = new Uint8Array();

/**
 * One TCP connection, or TLS on one, that carries HTTP/1.1 messages both ways, paced by the slower side.
 *
 * It knows nothing of requests and replies: each end puts its own rules on it.
 */
export class Flow {
  readonly local: string;
  readonly remote: string;
  /** `undefined` for plain TCP. */
  readonly secured: Secured | undefined;
  readonly writer = new HttpWriter();
  readonly #tcp: TcpSocket;
  readonly #clock: Clock;
  readonly #options: FlowOptions;
  readonly #events: FlowEvents;
  readonly #reader: HttpReader;
  #messages = 0;
  #arriving: Timer | undefined;
  #draining: Promise<void> | undefined;
  /** Whether its owner wants no more for now; and whether that was so since the other end was asked for last. */
  #held = false;
  #heldLately = false;
  #asking: Timer | undefined;
  #readSinceRest = 0;
  #resting = false;
  /** Whether what comes is thrown away. */
  #deaf = false;
  /** The other end sends no more. */
  #half = false;
  #ending = false;
  #closed = false;
  #error: OctavoError | undefined;

  constructor(
    tcp: TcpSocket,
    clock: Clock,
    options: FlowOptions,
    events: FlowEvents,
    secured: Secured | undefined,
  ) {
    this.#tcp = tcp;
    this.secured = secured;
    this.#clock = clock;
    this.#options = options;
    this.#events = events;
    this.local = formatAddress(tcp.localAddress ?? '', tcp.localPort ?? 0);
    this.remote = formatAddress(tcp.remoteAddress ?? '', tcp.remotePort ?? 0);
    this.#reader = new HttpReader(
      options,
      (message) => {
        this.#messages++;
        events.message(message);
      },
      () => void tcp.write('HTTP/1.1 100 Continue\r\n\r\n'),
    );
    tcp.setNoDelay(true);
    tcp.setKeepAlive(true, KEEP_ALIVE_MS);
    tcp.on('data', (bytes: Buffer) => this.#read(bytes));
    tcp.on('end', () => this.#ended());
    tcp.on('error', (cause) => this.#fail(cause));
    secured?.tcp.on('error', (cause) => this.#fail(cause));
    tcp.on('close', () => this.#gone());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How many messages came. */
  get messages(): number {
    return this.#messages;
  }

  /** While the other end is behind in reading what was written: resolves when it has caught up, or the connection is gone. */
  get behind(): Promise<void> | undefined {
    return this.#draining;
  }

  /** Whether there is more than whole messages: something is on its way, or was read ahead. */
  get partial(): boolean {
    return this.#reader.partial;
  }

  /** The header of a message that has begun and not ended. */
  get pending(): Pick<HttpMessage, 'start' | 'header'> | undefined {
    return this.#reader.header;
  }

  /** Writes bytes. A promise means that the other end is behind: it resolves when it has caught up, or the connection is gone. */
  write(bytes: Uint8Array): MaybePromise<void> {
    if (this.#closed || !this.#tcp.writable) return;
    if (this.#tcp.write(bytes)) return;
    return (this.#draining ??= this.#drained());
  }

  /** Gives no more messages until {@link resume}, and soon reads no more, so that the other end has to wait. */
  pause(): void {
    // After the end no more can come than is here.
    if (this.#half) return;
    this.#held = true;
    this.#heldLately = true;
    this.#reader.pause();
    this.#askLater();
  }

  resume(): void {
    this.#held = false;
    if (this.#deaf) return;
    if (!this.#resting) this.#tcp.resume();
    this.#parse(undefined);
  }

  /** Writes what is left and closes. What still comes is thrown away, so that the other end is not cut off while it reads. */
  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#deaf = true;
    this.#held = false;
    this.#settled();
    this.#tcp.resume();
    // What is left may take as long as any message; what comes afterwards may not.
    let timer = this.#cutAfter(this.#options.timeoutMs);
    this.#tcp.once('close', () => timer?.cancel());
    this.#tcp.end(() => {
      timer?.cancel();
      timer = this.#closed ? undefined : this.#cutAfter(LINGER_MS);
    });
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#deaf = true;
    this.#settled();
    this.#tcp.destroy();
  }

  /** Cuts the connection, and has the other end notice at once: what is on its way is thrown away at both ends. */
  reset(): void {
    this.#deaf = true;
    this.#settled();
    // What is being closed in order cannot be reset any more.
    if (this.#ending) this.#tcp.destroy();
    else this.#bottom.resetAndDestroy();
  }

  /** Whether the process may end while this connection is open. */
  set background(background: boolean) {
    if (background) this.#tcp.unref();
    else this.#tcp.ref();
  }

  /** What is under TLS, which itself cannot be reset, and keeps the failure of a write of no bytes to itself. */
  get #bottom(): TcpSocket {
    return this.secured?.tcp ?? this.#tcp;
  }

  #read(bytes: Buffer): void {
    if (!this.#deaf) this.#parse(bytes);
    if (this.#full) this.#tcp.pause();
    this.#readSinceRest += bytes.length;
    if (this.#readSinceRest >= TURN_BYTES && !this.#resting) this.#rest();
  }

  /** Whether as much was read ahead as there is room for. */
  get #full(): boolean {
    return this.#held && !this.#deaf && this.#reader.held >= READ_AHEAD;
  }

  /** Lets others have their turn: Node reads a socket on and on while there is more, up to 2 MiB. */
  #rest(): void {
    this.#resting = true;
    this.#tcp.pause();
    setImmediate(() => {
      this.#resting = false;
      this.#readSinceRest = 0;
      if (!this.#full) this.#tcp.resume();
    });
  }

  /** Reads on: what came, or what was held back. */
  #parse(bytes: Buffer | undefined): void {
    try {
      if (bytes === undefined) this.#reader.resume();
      else this.#reader.feed(bytes, this.#clock.now());
    } catch (reason) {
      this.#deaf = true;
      this.#settled();
      this.#events.malformed(OctavoError.from(reason));
      return;
    }
    this.#events.read?.();
    this.#follow();
  }

  #follow(): void {
    if (!this.#reader.partial) this.#settled();
    else if (this.#arriving === undefined) this.#watch();
  }

  /** Sees to it that a message which has begun ends in time, its header sooner. One timer serves many messages. */
  #watch(): void {
    const head = this.#reader.header === undefined;
    const ms = this.#options[head ? 'headerTimeoutMs' : 'timeoutMs'];
    if (this.#deaf || ms === 0) return;
    const seen = this.#messages;
    this.#arriving = this.#clock.after(ms, () => this.#late(seen, head), { background: true });
  }

  #late(seen: number, head: boolean): void {
    this.#arriving = undefined;
    // Others came to their end meanwhile, or the header did, or it is we who do not read.
    if (this.#messages !== seen || head !== (this.#reader.header === undefined) || this.#held)
      return this.#follow();
    this.#deaf = true;
    const limit = head ? 'headerTimeoutMs' : 'timeoutMs';
    const what = `a ${head ? 'header' : 'message'} began and did not end`;
    this.#events.malformed(
      new OctavoError('deadline_exceeded', `${what} within ${this.#options[limit]} ms (${limit})`),
    );
  }

  #askLater(): void {
    if (this.#deaf) return;
    this.#asking ??= this.#clock.after(ASK_MS, () => this.#ask(), { background: true });
  }

  /** Who does not read sees no end; but a connection that the other end has reset fails the next write, also one of no bytes. */
  #ask(): void {
    this.#asking = undefined;
    if (!this.#heldLately) return;
    this.#heldLately = this.#held;
    // Bytes that wait to leave would fail by themselves.
    if (this.#full && this.#tcp.writable && this.#tcp.writableLength === 0) this.#bottom.write(NOTHING);
    this.#askLater();
  }

  #settled(): void {
    this.#arriving?.cancel();
    this.#arriving = undefined;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer?.cancel();
        this.#draining = undefined;
        this.#tcp.off('drain', done);
        this.#tcp.off('close', done);
        resolve();
      };
      const timer = this.#cutAfter(this.#options.timeoutMs);
      this.#tcp.on('drain', done);
      this.#tcp.on('close', done);
    });
  }

  #cutAfter(ms: number): Timer | undefined {
    return ms === 0 ? undefined : this.#clock.after(ms, () => this.#tcp.destroy(), { background: true });
  }

  #ended(): void {
    this.#half = true;
    if (this.#deaf) return;
    // What was read ahead was sent before the end.
    this.resume();
    if (this.#deaf) return;
    this.#reader.end();
    this.#events.end();
  }

  #fail(cause: Error): void {
    const fault = this.secured === undefined ? undefined : tlsFault(this.remote, cause);
    // By TLS 1.3 an end learns only after the handshake that the other one does not like its certificate.
    const unread = fault !== undefined && this.#messages === 0 && certificateRefused(cause);
    this.#error ??= new OctavoError(
      'unavailable',
      fault ?? `the connection to ${this.remote} broke: ${cause.message}`,
      { cause, ...(unread && { executed: false }) },
    );
    // An alert of TLS leaves the connection open.
    this.destroy();
  }

  #gone(): void {
    this.#closed = true;
    this.#deaf = true;
    this.#asking?.cancel();
    this.#settled();
    this.#events.closed(this.#error);
  }
}

import type { Socket as TcpSocket } from 'node:net';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { HttpReader, type HttpLimits, type HttpMessage } from '../../core/http-message.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import { formatAddress } from '../../core/address.js';

/** The limits and times that both ends of a connection keep. */
export interface FlowOptions extends HttpLimits {
  /** For how long a message that has begun may take to arrive, or to leave, in milliseconds; `0` is for ever. */
  readonly timeoutMs: number;
}

/** What the owner of a connection is told. */
export interface FlowEvents {
  message(message: HttpMessage): void;
  /** The other end will send no more; what it has begun is dropped. */
  end(): void;
  /** What came is no HTTP/1.1, or over a limit. Nothing more can be read. */
  malformed(error: OctavoError): void;
  /** The connection is gone; with an error where it broke. */
  closed(error: OctavoError | undefined): void;
}

/** How long the other end has to close its side after we closed ours. */
const LINGER_MS = 2_000;

/** How often a connection that is not read is asked whether it still is one, in milliseconds. */
const ASK_MS = 20;
/** How many bytes of a connection are read in one turn of the event loop. */
const TURN_BYTES = 64 * 1024;
const NOTHING = new Uint8Array();

/**
 * One TCP connection that carries HTTP/1.1 messages both ways, paced by the slower side.
 *
 * It knows nothing of requests and replies: each end puts its own rules on it.
 */
export class Flow {
  readonly local: string;
  readonly remote: string;
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
  #ending = false;
  #closed = false;
  #error: OctavoError | undefined;

  constructor(tcp: TcpSocket, clock: Clock, options: FlowOptions, events: FlowEvents) {
    this.#tcp = tcp;
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
    tcp.on('data', (bytes: Buffer) => this.#read(bytes));
    tcp.on('end', () => this.#ended());
    tcp.on('error', (cause) => this.#fail(cause));
    tcp.on('close', () => this.#gone());
  }

  get closed(): boolean {
    return this.#closed;
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

  /** Reads no more until {@link resume}, so that the other end has to wait. */
  pause(): void {
    this.#reader.pause();
    this.#tcp.pause();
    this.#held = true;
    this.#heldLately = true;
    this.#askLater();
  }

  resume(): void {
    this.#held = false;
    if (this.#deaf) return;
    if (!this.#resting) this.#tcp.resume();
    this.#parse(() => this.#reader.resume());
  }

  /** Writes what is left and closes. What still comes is thrown away, so that the other end is not cut off while it reads. */
  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#deaf = true;
    this.#held = false;
    this.#settled();
    this.#tcp.resume();
    this.#tcp.end();
    const timer = this.#clock.after(LINGER_MS, () => this.#tcp.destroy(), { background: true });
    this.#tcp.once('close', () => timer.cancel());
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
    else this.#tcp.resetAndDestroy();
  }

  /** Whether the process may end while this connection is open. */
  set background(background: boolean) {
    if (background) this.#tcp.unref();
    else this.#tcp.ref();
  }

  #read(bytes: Buffer): void {
    if (!this.#deaf) this.#parse(() => this.#reader.feed(bytes));
    this.#readSinceRest += bytes.length;
    if (this.#readSinceRest >= TURN_BYTES && !this.#resting) this.#rest();
  }

  /** Lets others have their turn: Node reads a socket on and on while there is more, up to 2 MiB. */
  #rest(): void {
    this.#resting = true;
    this.#tcp.pause();
    setImmediate(() => {
      this.#resting = false;
      this.#readSinceRest = 0;
      if (!this.#held) this.#tcp.resume();
    });
  }

  #parse(parse: () => void): void {
    try {
      parse();
    } catch (reason) {
      this.#deaf = true;
      this.#settled();
      this.#events.malformed(OctavoError.from(reason));
      return;
    }
    if (!this.#reader.partial) this.#settled();
    else if (this.#arriving === undefined) this.#watch();
  }

  /** Sees to it that a message which has begun ends in time. One timer serves many messages. */
  #watch(): void {
    const { timeoutMs } = this.#options;
    if (this.#deaf || timeoutMs === 0) return;
    const seen = this.#messages;
    this.#arriving = this.#clock.after(timeoutMs, () => this.#late(seen), { background: true });
  }

  #late(seen: number): void {
    this.#arriving = undefined;
    if (!this.#reader.partial) return;
    // Others came to their end meanwhile, or it is we who do not read.
    if (this.#messages !== seen || this.#tcp.isPaused()) return this.#watch();
    this.#deaf = true;
    const { timeoutMs } = this.#options;
    this.#events.malformed(
      new OctavoError(
        'deadline_exceeded',
        `a message began and did not end within ${timeoutMs} ms (timeoutMs)`,
      ),
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
    if (this.#tcp.writable && this.#tcp.writableLength === 0) this.#tcp.write(NOTHING);
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
      const { timeoutMs } = this.#options;
      const timer =
        timeoutMs === 0
          ? undefined
          : this.#clock.after(timeoutMs, () => this.#tcp.destroy(), { background: true });
      this.#tcp.on('drain', done);
      this.#tcp.on('close', done);
    });
  }

  #ended(): void {
    if (this.#deaf) return;
    this.#reader.end();
    this.#events.end();
  }

  #fail(cause: Error): void {
    this.#error ??= new OctavoError(
      'unavailable',
      `the connection to ${this.remote} broke: ${cause.message}`,
      { cause },
    );
  }

  #gone(): void {
    this.#closed = true;
    this.#asking?.cancel();
    this.#settled();
    this.#events.closed(this.#error);
  }
}

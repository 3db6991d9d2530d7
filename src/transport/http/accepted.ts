import type { Socket as TcpSocket } from 'node:net';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Secured } from '../../core/handshakes.js';
import type { HttpMessage } from '../../core/http-message.js';
import { writeHttp } from '../../core/http-writer.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import { EMPTY } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import { quietly } from '../../core/quietly.js';
import { writeError } from '../../core/wire-error.js';
import type { Socket } from '../transport.js';
import { AcceptedSocket } from './accepted-socket.js';
import { Flow, type FlowOptions } from './flow.js';
import { OK } from './packing.js';
import { plainReply } from './plain.js';
import { route, type Route } from './routing.js';
import type { Bridge, Web } from './web.js';

/** What an Octavo peer is told before its connection is closed, so that it sends nothing more on it. */
const GOAWAY = writeHttp(
  OK,
  new Metadata([
    ['Connection', 'close'],
    [mucp.OCTAVO, mucp.DIALECT],
    [mucp.FRAME, mucp.GOAWAY],
  ]),
  EMPTY,
);

/** How long an Octavo peer has to close a connection after it was told, in milliseconds. */
export const FAREWELL_MS = 1_000;

/** What an accepted connection needs of its listener. */
export interface Door {
  readonly clock: Clock;
  readonly options: FlowOptions;
  /** For how long it is kept while nothing happens on it, in milliseconds; `0` is for ever. */
  readonly idleMs: number;
  readonly accept: (socket: Socket) => void;
  readonly web: Web;
  /** Something was refused that came from `remote`, or nothing came. */
  readonly refused: (remote: string, error: OctavoError) => void;
  readonly gone: (connection: Accepted) => void;
}

/** How a connection came, where it is no plain one. */
export interface Arrival {
  readonly secured?: Secured;
  /** Why whatever comes is refused. */
  readonly unwelcome?: OctavoError | undefined;
  /** Whether the listener is closed already: one thing may still happen. */
  readonly last?: boolean;
}

/**
 * A connection that somebody else opened. One thing happens on it at a time: a call, a stream, or a request for the web server.
 *
 * What is sent ahead waits, and so does its sender.
 */
export class Accepted {
  readonly #flow: Flow;
  readonly #door: Door;
  #current: AcceptedSocket | undefined;
  /** The web server has the connection until its response is out. */
  #web = false;
  #bridge: Bridge | undefined;
  /** The other end has to read what it was answered before something else happens. */
  #behind = false;
  /** How many messages had come when {@link sweep} last found it busy, and since when it knows of nothing else. */
  #swept = 0;
  #idleSince: number;
  readonly #waiting: HttpMessage[] = [];
  /** The stream that ended here last: what its client had under way is not for us. */
  #ended: string | undefined;
  /** Whether the connection closes after what happens on it now. */
  #last = false;
  /** Whether the other end is an Octavo peer. */
  #octavo = false;
  #farewell: Timer | undefined;
  readonly #gone: Promise<void>;
  #onGone: () => void = () => {};

  constructor(tcp: TcpSocket, door: Door, { secured, unwelcome, last = false }: Arrival = {}) {
    this.#door = door;
    this.#last = last;
    this.#gone = new Promise((resolve) => (this.#onGone = resolve));
    const options = unwelcome === undefined ? door.options : { ...door.options, maxMessageBytes: 0 };
    const events = {
      message:
        unwelcome === undefined
          ? (message: HttpMessage) => this.#take(message)
          : (message: HttpMessage) => this.#turnAway(unwelcome, message),
      end: () => this.#end(),
      malformed: (error: OctavoError) =>
        unwelcome === undefined ? this.#refuse(error) : this.#turnAway(unwelcome, this.#flow.pending),
      closed: (error: OctavoError | undefined) => this.#closed(error),
    };
    this.#flow = new Flow(tcp, door.clock, options, events, secured);
    this.#idleSince = door.clock.now();
  }

  /** Whether nothing happens on it. */
  get idle(): boolean {
    return !this.#busy && !this.#flow.partial;
  }

  get #busy(): boolean {
    return this.#current !== undefined || this.#web || this.#behind;
  }

  /** Closes it if nothing has happened on it for too long: since it was opened, or since its last message. */
  sweep(): void {
    const { messages } = this.#flow;
    const { clock, options, idleMs } = this.#door;
    const now = clock.now();
    if (!this.idle || messages !== this.#swept) {
      this.#swept = messages;
      this.#idleSince = now;
      return;
    }
    const limit = messages === 0 ? options.headerTimeoutMs : idleMs;
    if (limit === 0 || now - this.#idleSince < limit) return;
    if (messages === 0)
      this.#refused(
        new OctavoError('deadline_exceeded', `nothing came within ${limit} ms (headerTimeoutMs)`),
      );
    void this.close();
  }

  /** Closes it now if nothing happens on it, else after what happens. A promise is of one that is told, and closed by the other end. */
  close(): MaybePromise<void> {
    this.#last = true;
    if (!this.idle) return;
    this.#leave();
    return this.#octavo ? this.#gone : undefined;
  }

  destroy(): void {
    this.#flow.destroy();
  }

  #take(message: HttpMessage): void {
    const current = this.#current;
    if (current?.stream !== undefined && current.stream === message.header.get('Micro-Stream')) {
      if (!current.take(message)) this.#flow.pause();
      return;
    }
    // A stream has its connection to itself: whoever mixes something in would wait for ever, and unnoticed when it leaves.
    if (current?.stream !== undefined) {
      this.#refused(new OctavoError('invalid_argument', 'a stream was mixed with something else'));
      return this.#flow.destroy();
    }
    if (this.#busy) {
      this.#waiting.push(message);
      this.#flow.pause();
      return;
    }
    this.#open(message);
  }

  #open(message: HttpMessage): void {
    const to = route(message);
    if (to.kind === 'micro' && to.stream !== undefined && to.stream === this.#ended) return;
    if (message.last) this.#last = true;
    if (to.kind === 'micro' && mucp.isOctavoRequest(message.header)) this.#octavo = true;
    if (to.kind === 'web') {
      this.#web = true;
      this.#bridge ??= this.#door.web.bridge(this.#flow);
      this.#bridge.serve(message, () => {
        this.#web = false;
        this.#next();
      });
      return;
    }
    const socket = new AcceptedSocket(this.#flow, to, message, this.#door.options, (end) =>
      this.#release(socket, end),
    );
    this.#current = socket;
    try {
      this.#door.accept(socket);
    } catch (reason) {
      // It would end whoever gave the message: the process, at times.
      const error = OctavoError.from(reason);
      this.#refused(error);
      socket.close(error);
    }
  }

  /** The socket was closed: the connection is free, or done for. */
  #release(socket: AcceptedSocket, end: 'reuse' | 'end' | 'cut'): void {
    if (this.#current !== socket) return;
    this.#current = undefined;
    this.#ended = end === 'reuse' ? undefined : socket.stream;
    if (end === 'cut') this.#flow.reset();
    else if (end === 'end') this.#flow.end();
    else this.#next();
  }

  #next(): void {
    const { behind } = this.#flow;
    this.#behind = behind !== undefined;
    if (behind !== undefined) return void behind.then(() => this.#next());
    const message = this.#waiting.shift();
    if (message !== undefined) this.#open(message);
    else if (this.#last) this.#leave();
    if (!this.#busy) this.#flow.resume();
  }

  /**
   * Closes a connection that is free. An Octavo peer closes it: what it sent before it was told is still answered. Nobody else can be told,
   * so that a request which crosses the end is lost: an inherent race of HTTP/1.1.
   */
  #leave(): void {
    if (!this.#octavo || this.#farewell !== undefined) return this.#flow.end();
    quietly(() => this.#flow.write(GOAWAY));
    this.#farewell = this.#door.clock.after(FAREWELL_MS, () => this.#flow.end(), { background: true });
  }

  /** The other end closed its side: a caller that does so has gone. */
  #end(): void {
    this.#last = true;
    if (this.#current !== undefined) {
      this.#waiting.length = 0;
      this.#current.lost(undefined);
    } else if (!this.#busy) this.#flow.end();
  }

  /** What came cannot be read: says why, in the form that its sender understands, and closes. */
  #refuse(error: OctavoError): void {
    this.#refused(error);
    this.#current?.lost(error);
    this.#turnAway(error, this.#flow.pending);
  }

  /** Answers what came, or what there is of it, by an error, and closes. */
  #turnAway(error: OctavoError, what: Pick<HttpMessage, 'start' | 'header'> | undefined): void {
    const to: Route = what === undefined ? { kind: 'web' } : route(what);
    void this.#flow.write(to.kind === 'micro' ? microError(error) : plainReply(error));
    // The flow is deaf already: what still comes is thrown away until the sender has read the answer.
    this.#flow.end();
  }

  #refused(error: OctavoError): void {
    this.#door.refused(this.#flow.remote, error);
  }

  #closed(error: OctavoError | undefined): void {
    this.#waiting.length = 0;
    this.#current?.lost(error);
    this.#bridge?.destroy();
    this.#farewell?.cancel();
    this.#door.gone(this);
    this.#onGone();
  }
}

function microError(error: OctavoError): Buffer {
  const text = writeError(error, 'octavo', true);
  return writeHttp(
    OK,
    new Metadata([
      ['Micro-Error', text],
      ['X-Micro-Error', text],
    ]),
    EMPTY,
    'Connection: close\r\n',
  );
}

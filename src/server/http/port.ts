import type { ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { formatAddress, parseAddress } from '../../core/address.js';
import { bind, limitConnections } from '../../core/bind.js';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { Handshakes } from '../../core/handshakes.js';
import { boundsOf, settingsOf } from '../../core/http2/settings.js';
import type { Refusals } from '../../core/refusals.js';
import type { Certificates, PeerCertificate } from '../../core/tls.js';
import type { Callers } from './callers.js';
import { hostOf, remoteOf } from './hosts.js';
import { keepAlive } from './keep-alive.js';
import type { HttpLimits } from './limits.js';
import type { Web } from './web.js';

export interface PortParts {
  readonly web: Web;
  readonly callers: Callers;
  readonly certificates: Certificates | undefined;
  readonly limits: HttpLimits;
  readonly clock: Clock;
  readonly refusals: Refusals;
}

/** What is known of who has dialled. */
interface Whom {
  readonly certificate?: PeerCertificate | undefined;
  readonly unwelcome?: OctavoError | undefined;
}

/** How a connection begins that speaks HTTP/2 without having said so: no method of HTTP/1.1 does. Source: RFC 9113 section 3.4. */
const PREFACE = Buffer.from('PRI ');
/** How many calls and streams one connection of HTTP/2 has open at once. */
const STREAMS = 1_024;
const WINDOW_BYTES = 256 * 1024;
/**
 * For how long a connection of HTTP/1.1 is kept on which nothing happens before it is told goodbye, in milliseconds. Whoever makes one call after
 * the other has the next one refused, and knows.
 */
const GRACE_MS = 100;
/** How long what is under way has to end when the port closes, in milliseconds. */
const FAREWELL_MS = 1_000;
/**
 * What a connection of HTTP/1.1 that carries nothing is told before it is closed: a request that crosses this was not taken, and may be sent again.
 *
 * Source: RFC 9110 section 15.5.9.
 */
const GOODBYE = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

/** A port that speaks HTTP/1.1 and HTTP/2, with TLS or without. */
export class Port {
  readonly address: string;
  readonly secure: boolean;
  readonly #server: Server;
  readonly #http2: Http2Server;
  readonly #parts: PortParts;
  readonly #handshakes: Handshakes | undefined;
  readonly #connections = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Those of HTTP/1.1. */
  readonly #plain = new Set<Socket>();
  #whom: Whom = {};
  #leaving = false;
  #onGone: (() => void) | undefined;

  private constructor(server: Server, parts: PortParts) {
    // A TCP server that listens has an address with a port.
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress(address, port);
    this.#server = server;
    this.#parts = parts;
    this.#http2 = this.#newHttp2();
    this.#handshakes = parts.certificates && this.#newHandshakes(parts.certificates);
    this.secure = this.#handshakes !== undefined;
    server.on('connection', (tcp: Socket) => this.#accept(tcp));
  }

  /** Opens it. Rejects with `unavailable` naming an address in use. */
  static async open(address: string, parts: PortParts): Promise<Port> {
    const { maxConnections } = parts.limits;
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
    limitConnections(server, maxConnections, parts.refusals);
    await bind(server, parseAddress(address), address);
    return new Port(server, parts);
  }

  /** How many there are, of either version. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Asks callers to go elsewhere: HTTP/2 by a word of its own, HTTP/1.1 with the next answer. */
  drain(): void {
    this.#leaving = true;
    this.#parts.web.leave();
    for (const session of this.#sessions) session.close();
  }

  /** Lets nobody in any more, and closes what is open: what is under way has a moment to end. */
  async close(): Promise<void> {
    this.drain();
    if (this.#connections.size > this.#sessions.size) await this.#gone(GRACE_MS);
    const closed = new Promise<void>((resolve) => this.#server.once('close', resolve));
    this.#server.close();
    this.#handshakes?.destroy();
    for (const socket of this.#plain) if (!isAnswering(socket)) socket.end(GOODBYE);
    if (this.#connections.size > 0) await this.#gone(FAREWELL_MS);
    for (const session of this.#sessions) session.destroy();
    for (const tcp of this.#connections) tcp.destroy();
    await closed;
  }

  /** Resolves when no connection is open any more, and after so many milliseconds. */
  #gone(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#onGone = undefined;
        resolve();
      };
      const timer: Timer = this.#parts.clock.after(ms, done);
      this.#onGone = done;
    });
  }

  #newHttp2(): Http2Server {
    const { web, limits } = this.#parts;
    const { maxHeaderBytes, maxHeaders } = limits;
    const taken = {
      windowBytes: WINDOW_BYTES,
      maxStreams: STREAMS,
      headerBytes: maxHeaderBytes,
      // Those that are none of the user's, and one more, so that it is seen that there are too many.
      headerPairs: maxHeaders + 8,
    };
    const http2 = createHttp2Server({ settings: settingsOf(taken), ...boundsOf(taken) });
    // Node's objects for HTTP/2 have the members of those for HTTP/1.1 that are used here.
    http2.on('request', web.serve as unknown as Parameters<typeof createHttp2Server>[1] & object);
    http2.on('session', (session) => this.#opened(session));
    http2.on('sessionError', () => {});
    return http2;
  }

  #newHandshakes(certificates: Certificates): Handshakes {
    const { clock, refusals, limits } = this.#parts;
    return new Handshakes({
      certificates,
      clock,
      protocols: ['h2', 'http/1.1'],
      timeoutMs: limits.headerTimeoutMs,
      secured: (tls, { certificate }, unwelcome) => this.#speak(tls, { certificate, unwelcome }),
      plain: (tcp) => this.#listenTo(tcp, { unwelcome: this.#withoutTls() }),
      refused: (remote, error) => refusals.note(remote.slice(0, remote.lastIndexOf(':')), error),
    });
  }

  #withoutTls(): OctavoError {
    const what = `${this.address} takes TLS only: write https://, or give the http client the option tls`;
    return new OctavoError('unavailable', what, { executed: false });
  }

  #accept(tcp: Socket): void {
    this.#connections.add(tcp);
    tcp.once('close', () => {
      this.#connections.delete(tcp);
      if (this.#connections.size === 0) this.#onGone?.();
    });
    if (this.#handshakes === undefined) this.#listenTo(tcp, {});
    else this.#handshakes.take(tcp);
  }

  #speak(tls: TLSSocket, whom: Whom): void {
    if (tls.alpnProtocol === 'h2') this.#speakHttp2(tls, whom);
    else this.#speakHttp1(tls, whom);
  }

  /** Waits for the first bytes, which say what is spoken. */
  #listenTo(tcp: Socket, whom: Whom): void {
    const { clock, limits, refusals } = this.#parts;
    const { headerTimeoutMs } = limits;
    const late = (): void => {
      const what = `nothing came within ${headerTimeoutMs} ms (headerTimeoutMs)`;
      refusals.note(hostOf(tcp), new OctavoError('deadline_exceeded', what));
      tcp.destroy();
    };
    const timer =
      headerTimeoutMs === 0 ? undefined : clock.after(headerTimeoutMs, late, { background: true });
    let first = Buffer.alloc(0);
    const look = (): void => {
      // A socket gives bytes, unless it was told otherwise.
      const bytes = tcp.read() as Buffer | null;
      if (bytes === null) return void tcp.destroy();
      first = Buffer.concat([first, bytes]);
      const beginning = first.subarray(0, PREFACE.length);
      const alike = PREFACE.subarray(0, beginning.length).equals(beginning);
      if (alike && beginning.length < PREFACE.length) return void tcp.once('readable', look);
      timer?.cancel();
      tcp.unshift(first);
      if (alike) this.#speakHttp2(tcp, whom);
      else this.#speakHttp1(tcp, whom);
    };
    // Who breaks off before anything was said is no news.
    tcp.on('error', () => {});
    tcp.once('close', () => timer?.cancel());
    tcp.once('readable', look);
  }

  #speakHttp1(socket: Socket, whom: Whom): void {
    this.#known(socket, socket, whom);
    this.#plain.add(socket);
    socket.once('close', () => this.#plain.delete(socket));
    this.#parts.web.http1.emit('connection', socket);
  }

  #speakHttp2(socket: Socket, whom: Whom): void {
    socket.allowHalfOpen = false;
    // The session that comes of it is made before this returns.
    this.#whom = whom;
    this.#http2.emit('connection', socket);
  }

  #opened(session: ServerHttp2Session): void {
    const { limits, clock, refusals } = this.#parts;
    const { headerTimeoutMs, idleMs, keepaliveMs } = limits;
    const socket = session.socket as Socket;
    this.#known(session, socket, this.#whom);
    this.#sessions.add(session);
    const source = hostOf(socket);
    keepAlive(session, { headerTimeoutMs, idleMs, keepaliveMs, clock }, (error) =>
      refusals.note(source, error),
    );
    session.once('close', () => this.#sessions.delete(session));
    if (this.#leaving) session.close();
  }

  #known(line: object, socket: Socket, { certificate, unwelcome }: Whom): void {
    const leaving = (): boolean => this.#leaving || unwelcome !== undefined;
    this.#parts.callers.add(line, {
      remote: remoteOf(socket),
      certificate,
      unwelcome,
      get leaving() {
        return leaving();
      },
    });
  }
}

/** Whether something is being answered on a connection of HTTP/1.1. Node notes it there; to count it here is a twentieth of what a call costs. */
function isAnswering(socket: Socket & { readonly _httpMessage?: ServerResponse | null }): boolean {
  const { _httpMessage: response } = socket;
  return response != null && !response.writableFinished;
}

import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer, type AddressInfo, type Server, type Socket as TcpSocket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { formatAddress, parseAddress } from '../address.js';
import { bind, limitConnections } from '../bind.js';
import type { Clock, Timer } from '../clock.js';
import { OctavoError } from '../error.js';
import { Handshakes } from '../handshakes.js';
import { Rounds } from '../multiplexed/rounds.js';
import type { Refusals } from '../refusals.js';
import type { Certificates, PeerCertificate } from '../tls.js';
import { lookEvery, Session, type SessionOptions } from './session.js';
import { boundsOf, settingsOf, type Taken } from './settings.js';

export interface DoorOptions extends SessionOptions, Taken {
  /** How many connections are held open; more are closed as they come. */
  readonly maxConnections: number;
  /** For how long a connection that carries nothing is kept at least, in milliseconds; `0` is for ever. */
  readonly idleMs: number;
}

/** A stream that the other end has opened. */
export interface Opened {
  readonly session: Session;
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value, ... as they came. */
  readonly rawHeaders: readonly string[];
  /** Why its caller is served nothing, which it is to be told. */
  readonly unwelcome: OctavoError | undefined;
}

export interface DoorParts {
  /** What errors call its owner: `the grpc transport`. */
  readonly who: string;
  readonly clock: Clock;
  readonly refusals: Refusals;
  /** Those that are shown, where TLS and nothing else is spoken. */
  readonly certificates: Certificates | undefined;
  /** What callers without TLS are to do: `give the grpc transport of the caller the option tls`. */
  readonly tlsRemedy: string;
  /** Takes a stream that the other end opened, whose headers are in. */
  serve(opened: Opened): void;
  /** Ends streams that only wait for a next call, as a connection is said goodbye to. */
  parting?(session: Session): void;
  /** Looks at a connection, every so often. */
  looked?(session: Session, now: number): void;
}

/** What is known of who has dialled. */
interface Whom {
  readonly certificate?: PeerCertificate | undefined;
  /** Why it is served nothing, which it is told. */
  readonly unwelcome?: OctavoError | undefined;
}

/** How long the other end has to close a connection after it was told to, in milliseconds. */
const FAREWELL_MS = 1_000;

/** An open door for HTTP/2, and the connections that came through it. */
export class Door {
  readonly address: string;
  readonly secure: boolean;
  readonly #server: Server;
  /** Resolves when it listens no more, and every connection is gone. */
  readonly #closed: Promise<unknown>;
  readonly #options: DoorOptions;
  readonly #parts: DoorParts;
  readonly #rounds: Rounds<Session>;
  readonly #handshakes: Handshakes | undefined;
  readonly #idleSince = new WeakMap<Session, number>();
  /** What closes a connection whose other end does not, after a farewell. */
  readonly #parting = new Map<Session, Timer>();
  /** Told when a connection has closed. */
  readonly #onGone = new Set<() => void>();

  private constructor(server: Server, options: DoorOptions, parts: DoorParts) {
    // A TCP server that listens has an address with a port.
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress(address, port);
    this.#server = server;
    this.#closed = new Promise((resolve) => server.once('close', resolve));
    this.#options = options;
    this.#parts = parts;
    this.#rounds = new Rounds(parts.clock, lookEvery(options), (session, now) => this.#sweep(session, now));
    this.#handshakes = parts.certificates && this.#newHandshakes(parts.certificates);
    this.secure = this.#handshakes !== undefined;
    server.on('connection', (tcp: TcpSocket) => {
      if (this.#handshakes === undefined) this.#take(tcp, {});
      else this.#handshakes.take(tcp);
    });
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#rounds.connections.size;
  }

  /** Listens. Rejects with `unavailable` naming an address in use. */
  static async open(address: string, options: DoorOptions, parts: DoorParts): Promise<Door> {
    const { maxConnections } = options;
    await parts.certificates?.forServer();
    const server = createServer();
    limitConnections(server, maxConnections, parts.refusals);
    await bind(server, parseAddress(address), address);
    return new Door(server, options, parts);
  }

  /** Takes no more connections, and asks callers to go elsewhere: what is under way goes on. */
  leave(): void {
    // Its callback waits for connections that are busy, and they may take their time.
    if (this.#server.listening) this.#server.close();
    // Nothing was sent on what is not open yet.
    this.#handshakes?.destroy();
    for (const session of [...this.#rounds.connections]) this.#part(session);
  }

  /** Leaves, and waits for callers to close the connections that carry nothing, but not for long. */
  async close(): Promise<void> {
    this.leave();
    await this.#until(() => this.#idle === 0);
  }

  /** Leaves, waits for what is on its way out and for callers to close, but not for long, and cuts what is left. */
  async finish(): Promise<void> {
    this.leave();
    await this.#until(() => this.#rounds.connections.size === 0);
    await this.cut();
  }

  /** Closes, and cuts what is open. */
  async cut(): Promise<void> {
    if (this.#server.listening) this.#server.close();
    this.#handshakes?.destroy();
    this.#rounds.destroy(new OctavoError('unavailable', `${this.#parts.who} was stopped`));
    await this.#closed;
  }

  /** Waits until something holds that only changes as connections close, but not for long. */
  async #until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#onGone.delete(gone);
        resolve();
      };
      const gone = (): void => {
        if (holds()) done();
      };
      const timer = this.#parts.clock.after(FAREWELL_MS, done);
      this.#onGone.add(gone);
    });
  }

  /** How many connections carry nothing. */
  get #idle(): number {
    let count = 0;
    for (const { size } of this.#rounds.connections) if (size === 0) count++;
    return count;
  }

  #newHandshakes(certificates: Certificates): Handshakes {
    const { clock, refusals } = this.#parts;
    return new Handshakes({
      certificates,
      clock,
      protocols: ['h2'],
      timeoutMs: this.#options.headerTimeoutMs,
      secured: (tls, { certificate }, unwelcome) => this.#take(tls, { certificate, unwelcome }),
      plain: (tcp) => this.#take(tcp, { unwelcome: this.#withoutTls() }),
      refused: (remote, error) => refusals.note(remote.slice(0, remote.lastIndexOf(':')), error),
    });
  }

  /** What is said to whom dials in plain text. */
  #withoutTls(): OctavoError {
    const what = `${this.address} takes TLS only: ${this.#parts.tlsRemedy}`;
    return new OctavoError('unavailable', what, { executed: false });
  }

  #take(tcp: TcpSocket | TLSSocket, whom: Whom): void {
    tcp.allowHalfOpen = false;
    tcp.setNoDelay(true);
    const http2 = performServerHandshake(tcp, {
      settings: settingsOf(this.#options),
      ...boundsOf(this.#options),
    });
    const source = tcp.remoteAddress ?? '';
    const session = new Session(http2, {
      clock: this.#parts.clock,
      options: this.#options,
      tcp,
      certificate: whom.certificate,
      opened: () => {},
      changed: () => this.#changed(session),
      refused: (error) => this.#parts.refusals.note(source, error),
      closed: () => this.#gone(session),
    });
    const { unwelcome } = whom;
    // Node gives a fourth, whatever its types say.
    http2.on(
      'stream',
      (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _: number, rawHeaders: string[]) =>
        this.#serve({ session, stream, headers, rawHeaders, unwelcome }),
    );
    this.#rounds.add(session);
    this.#await(session, http2, source);
    if (!this.#server.listening) this.#part(session);
  }

  /** Closes what does not say in time that it speaks HTTP/2. */
  #await(session: Session, http2: ServerHttp2Session, source: string): void {
    const { headerTimeoutMs } = this.#options;
    if (headerTimeoutMs === 0) return;
    const late = (): void => {
      const what = `nothing of HTTP/2 came within ${headerTimeoutMs} ms (headerTimeoutMs)`;
      this.#parts.refusals.note(source, new OctavoError('deadline_exceeded', what));
      session.destroy();
    };
    const timer = this.#parts.clock.after(headerTimeoutMs, late, { background: true });
    http2.once('remoteSettings', () => timer.cancel());
    http2.once('close', () => timer.cancel());
  }

  #serve(opened: Opened): void {
    const { session, stream } = opened;
    // It may be gone already, and its errors are nobody's.
    stream.on('error', ignore);
    if (stream.destroyed || stream.closed) return;
    // The other end may not know of the limit yet.
    if (session.size >= this.#options.maxStreams) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    try {
      this.#parts.serve(opened);
    } catch (reason) {
      // It would end whoever gave the bytes: the process, at times.
      this.#parts.refusals.note(session.remote, OctavoError.from(reason));
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  #changed(session: Session): void {
    if (session.leaving) this.#part(session);
  }

  #gone(session: Session): void {
    this.#rounds.delete(session);
    this.#parting.get(session)?.cancel();
    this.#parting.delete(session);
    for (const gone of [...this.#onGone]) gone();
  }

  /**
   * Says goodbye, and ends our side where nothing is under way: nghttp2 reads no more there, so that nobody would hear the other end close.
   * What that has sent meanwhile is read and dropped, and it has some time to close.
   */
  #part(session: Session): void {
    session.farewell();
    this.#parts.parting?.(session);
    if (session.size > 0 || this.#parting.has(session)) return;
    session.end();
    const timer = this.#parts.clock.after(FAREWELL_MS, () => session.destroy(), { background: true });
    this.#parting.set(session, timer);
  }

  /** Says goodbye to a connection that has carried nothing for too long. */
  #sweep(session: Session, now: number): void {
    const { idleMs } = this.#options;
    this.#parts.looked?.(session, now);
    const since = this.#idleSince.get(session);
    if (session.size > 0 || session.seen !== session.count || since === undefined) {
      session.seen = session.count;
      this.#idleSince.set(session, now);
    } else if (idleMs > 0 && now - since >= idleMs) this.#part(session);
  }
}

function ignore(): void {}

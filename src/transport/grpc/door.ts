import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Server, Socket as TcpSocket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { formatAddress } from '../../core/address.js';
import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { Handshakes } from '../../core/handshakes.js';
import type { Refusals } from '../../core/refusals.js';
import type { Certificates, PeerCertificate } from '../../core/tls.js';
import type { Listener, Socket } from '../transport.js';
import { AcceptedWire } from './accepted.js';
import { BOUNDS, PATH, settingsOf, TYPE } from './protocol.js';
import { Rounds } from '../multiplexed/rounds.js';
import { lookEvery, Session, type SessionOptions } from './session.js';
import { writeStatus } from './status.js';

export interface DoorOptions extends SessionOptions {
  /** For how long a connection that carries nothing is kept at least, in milliseconds; `0` is for ever. */
  readonly idleMs: number;
}

export interface DoorParts {
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly accept: (socket: Socket) => void;
  /** Those that are shown, where TLS and nothing else is spoken. */
  readonly certificates: Certificates | undefined;
}

/** What is known of who has dialled. */
interface Whom {
  readonly certificate?: PeerCertificate | undefined;
  /** Why it is served nothing, which it is told. */
  readonly unwelcome?: OctavoError | undefined;
}

/** How long the other end has to close a connection after it was told to, in milliseconds. */
const FAREWELL_MS = 1_000;

/** An open door, and the connections that came through it. */
export class Door implements Listener {
  readonly address: string;
  readonly secure: boolean;
  readonly #server: Server;
  readonly #options: DoorOptions;
  readonly #parts: DoorParts;
  readonly #rounds: Rounds<Session>;
  readonly #handshakes: Handshakes | undefined;
  readonly #idleSince = new WeakMap<Session, number>();
  /** What closes a connection whose other end does not, after a farewell. */
  readonly #parting = new Map<Session, Timer>();
  /** Told when a connection has closed. */
  readonly #onGone = new Set<() => void>();

  /** @param server one that listens */
  constructor(server: Server, options: DoorOptions, parts: DoorParts) {
    // A TCP server that listens has an address with a port.
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress(address, port);
    this.#server = server;
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

  /** Waits for callers to close the connections that carry nothing, but not for long. */
  async close(): Promise<void> {
    // Its callback waits for connections that are busy, and they may take their time.
    if (this.#server.listening) this.#server.close();
    // Nothing was sent on what is not open yet.
    this.#handshakes?.destroy();
    for (const session of [...this.#rounds.connections]) this.#part(session);
    if (this.#idle === 0) return;
    const { clock } = this.#parts;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#onGone.delete(gone);
        resolve();
      };
      const gone = (): void => {
        if (this.#idle === 0) done();
      };
      const timer = clock.after(FAREWELL_MS, done);
      this.#onGone.add(gone);
    });
  }

  /** Closes, and cuts what is open. */
  async cut(): Promise<void> {
    const gone = new Promise((resolve) => this.#server.once('close', resolve));
    if (this.#server.listening) this.#server.close();
    else if (this.#rounds.connections.size === 0) return;
    this.#handshakes?.destroy();
    this.#rounds.destroy(new OctavoError('unavailable', 'the grpc transport was stopped'));
    await gone;
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
    const what = `${this.address} takes TLS only: give the grpc transport of the caller the option tls`;
    return new OctavoError('unavailable', what, { executed: false });
  }

  #take(tcp: TcpSocket | TLSSocket, whom: Whom): void {
    tcp.allowHalfOpen = false;
    tcp.setNoDelay(true);
    const http2 = performServerHandshake(tcp, {
      settings: settingsOf(this.#options),
      ...BOUNDS,
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
    http2.on('stream', (stream, headers) => this.#serve(session, stream, headers, whom.unwelcome));
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

  #serve(
    session: Session,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    unwelcome: OctavoError | undefined,
  ): void {
    // It may be gone already, and its errors are nobody's.
    stream.on('error', () => {});
    if (stream.destroyed || stream.closed) return;
    const refusal = unwelcome ?? refusalOf(headers);
    if (refusal !== undefined) return refuse(stream, refusal);
    if (session.size >= this.#options.maxStreams) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    new AcceptedWire(session, stream, headers, (socket) => this.#accept(socket));
  }

  #accept(socket: Socket): void {
    try {
      this.#parts.accept(socket);
    } catch (reason) {
      // It would end whoever gave the bytes: the process, at times.
      const error = OctavoError.from(reason);
      this.#parts.refusals.note(socket.remote, error);
      socket.close(error);
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

  /** Says goodbye, and closes where nothing is under way and the other end does not: it knows what it has sent, and we do not. */
  #part(session: Session): void {
    session.farewell();
    for (const wire of [...session.wires]) if (wire instanceof AcceptedWire && wire.resting) wire.end();
    if (session.size > 0 || this.#parting.has(session)) return;
    const timer = this.#parts.clock.after(FAREWELL_MS, () => session.destroy(), { background: true });
    this.#parting.set(session, timer);
  }

  /** Says goodbye to a connection that has carried nothing for too long, and ends what rests on it for too long. */
  #sweep(session: Session, now: number): void {
    const { idleMs } = this.#options;
    for (const wire of [...session.wires])
      if (wire instanceof AcceptedWire && wire.resting && idleMs > 0 && now - wire.freeSince >= idleMs)
        wire.end();
    const since = this.#idleSince.get(session);
    if (session.size > 0 || session.seen !== session.count || since === undefined) {
      session.seen = session.count;
      this.#idleSince.set(session, now);
    } else if (idleMs > 0 && now - since >= idleMs) this.#part(session);
  }
}

/** Why a stream is none of ours. */
function refusalOf(headers: IncomingHttpHeaders): OctavoError | undefined {
  const { ':path': path, ':method': method, 'content-type': type = '' } = headers;
  if (method === 'POST' && path === PATH && type.startsWith(TYPE)) return undefined;
  const what = `this port speaks go-micro's grpc transport: it has the one method ${PATH}`;
  return new OctavoError('unimplemented', what, { executed: false });
}

function refuse(stream: ServerHttp2Stream, error: OctavoError): void {
  stream.respond({ ':status': 200, 'content-type': TYPE, ...writeStatus(error) }, { endStream: true });
  stream.resume();
  // What is sent there all the same is not read for ever. At once, Node 22 would close it before it has said so.
  setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
}

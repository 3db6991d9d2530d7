import { createServer, type AddressInfo, type Server, type Socket as TcpSocket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { formatAddress, parseAddress } from '../core/address.js';
import { bind, limitConnections } from '../core/bind.js';
import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { noteExposure } from '../core/exposure.js';
import { Handshakes } from '../core/handshakes.js';
import type { MaybePromise } from '../core/lifecycle.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import { Refusals } from '../core/refusals.js';
import { Certificates, shownTls, type Tls } from '../core/tls.js';
import { Accepted, FAREWELL_MS, type Arrival } from './http/accepted.js';
import { Dialler } from './http/dialler.js';
import type { FlowOptions } from './http/flow.js';
import { Web } from './http/web.js';
import {
  MESSAGE_LIMITS,
  Transport,
  type DialOptions,
  type Listener,
  type ListenOptions,
  type Socket,
  type TransportOptions,
  type TransportStats,
} from './transport.js';

export interface HttpTransportOptions extends TransportOptions {
  /** Mounts routes of your own on the same port, beside `/health` and `/ready`. */
  readonly routes?: (app: FastifyInstance) => void | Promise<void>;
  /** How many connections one listener holds open; more are closed as they come. @defaultValue `10_000` */
  readonly maxConnections?: number;
  /** For how long a header may take to arrive, and a new connection to begin one, in milliseconds; `0` is for ever. @defaultValue `10_000` */
  readonly headerTimeoutMs?: number;
  /** For how long a connection on which nothing happens is kept at least, in milliseconds; `0` is for ever. The pools of callers should let go of it sooner. @defaultValue `120_000` */
  readonly idleMs?: number;
  /** Speaks TLS, and nothing else, with everybody: `{ ca }` to call, `{ cert, key }` to be called. @defaultValue plain text */
  readonly tls?: Tls;
}

export interface HttpTransportParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * go-micro's default wire: each message is an HTTP/1.1 message, and a stream is a connection of its own.
 *
 * The port also answers plain calls (`POST /greeter.Greeter/Hello`), and through fastify the probes and routes of the user's.
 */
export class HttpTransport extends Transport {
  readonly name = 'http';
  readonly streams = true;
  readonly options: HttpTransportOptions;
  readonly #parts: HttpTransportParts;
  readonly #flow: FlowOptions;
  readonly #certificates: Certificates | undefined;
  #dialler: Dialler;
  readonly #listeners = new Set<HttpListener>();

  constructor(options: HttpTransportOptions, parts: HttpTransportParts) {
    super();
    const { tls, ...others } = options;
    this.options = tls === undefined ? options : { ...others, tls: shownTls(tls) };
    this.#certificates = tls && new Certificates('the http transport', tls, parts);
    this.#parts = parts;
    this.#flow = { ...MESSAGE_LIMITS, timeoutMs: 60_000, headerTimeoutMs: 10_000, ...others };
    this.#dialler = this.#newDialler();
  }

  /** Reads certificates, where there are any. Connections are opened one by one, by `dial` and `listen`. */
  start(): MaybePromise<void> {
    return this.#certificates?.start();
  }

  async stop(): Promise<void> {
    this.#dialler.destroy();
    this.#dialler = this.#newDialler();
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    await Promise.all(listeners.map((listener) => listener.cut()));
    this.#certificates?.stop();
  }

  override stats(): TransportStats {
    const accepted = [...this.#listeners].reduce((sum, { connections }) => sum + connections, 0);
    return { ...this.#dialler.stats, accepted };
  }

  dial(address: string, options: DialOptions = {}): MaybePromise<Socket> {
    if (options.secure === true && this.#certificates === undefined) return Promise.reject(wantsTls(address));
    return this.#dialler.dial(address, options);
  }

  async listen(
    address: string,
    accept: (socket: Socket) => void,
    { probes }: ListenOptions = {},
  ): Promise<Listener> {
    const place = parseAddress(address);
    const certificates = this.#certificates;
    await certificates?.forServer();
    const { routes, maxConnections = 10_000, idleMs = 120_000 } = this.options;
    const { clock, logger } = this.#parts;
    const { maxMessageBytes: maxBodyBytes, maxHeaderBytes } = this.#flow;
    const web = new Web({ routes, probes, maxBodyBytes, maxHeaderBytes });
    await web.start();
    const refusals = new Refusals(clock, logger);
    const refused = (remote: string, error: OctavoError): void =>
      refusals.note(remote.slice(0, remote.lastIndexOf(':')), error);
    const connections = new Set<Accepted>();
    const gone = (connection: Accepted): void => void connections.delete(connection);
    const door = { clock, options: this.#flow, idleMs, accept, web, refused, gone };
    const admit = (tcp: TcpSocket, arrival?: Arrival): void =>
      void connections.add(new Accepted(tcp, door, arrival));
    const handshakes =
      certificates &&
      new Handshakes({
        certificates,
        clock,
        protocols: ['http/1.1'],
        timeoutMs: this.#flow.headerTimeoutMs,
        secured: (tls, secured, unwelcome) => admit(tls, { secured, unwelcome, last: !server.listening }),
        plain: (tcp) => {
          const unwelcome = withoutTls(tcp);
          admit(tcp, { unwelcome });
          refused(formatAddress(tcp.remoteAddress ?? '', tcp.remotePort ?? 0), unwelcome);
        },
        refused,
      });
    const server = createServer({ allowHalfOpen: true }, (tcp) =>
      handshakes === undefined ? admit(tcp) : handshakes.take(tcp),
    );
    limitConnections(server, maxConnections, refusals);
    await bind(server, place, address);
    sweepIdle(
      server,
      connections,
      clock,
      Math.min(idleMs || Infinity, this.#flow.headerTimeoutMs || Infinity),
    );
    const listener = new HttpListener(server, connections, { web, clock, handshakes });
    this.#listeners.add(listener);
    if (handshakes === undefined) noteExposure('the http transport', listener.address, logger);
    return listener;
  }

  #newDialler(): Dialler {
    return new Dialler(this.#parts.clock, this.#flow, this.#certificates);
  }
}

/** Speaks go-micro's HTTP wire. */
export function http(options: HttpTransportOptions = {}): Provider<Transport> {
  return (resolve) => new HttpTransport(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

/** Closes connections on which nothing happens, until the door is shut. One timer for all, as they are many. */
function sweepIdle(server: Server, connections: ReadonlySet<Accepted>, clock: Clock, everyMs: number): void {
  if (everyMs === Infinity) return;
  let timer: Timer;
  const schedule = (): void => {
    timer = clock.after(everyMs, sweep, { background: true });
  };
  const sweep = (): void => {
    for (const connection of connections) connection.sweep();
    schedule();
  };
  schedule();
  server.once('close', () => timer.cancel());
}

/** What a listener stands on. */
interface ListenerParts {
  readonly web: Web;
  readonly clock: Clock;
  /** `undefined` without TLS. */
  readonly handshakes: Handshakes | undefined;
}

class HttpListener implements Listener {
  readonly address: string;
  readonly secure: boolean;
  readonly #server: Server;
  readonly #connections: ReadonlySet<Accepted>;
  readonly #web: Web;
  readonly #clock: Clock;
  readonly #handshakes: Handshakes | undefined;
  /** The door is shut and the last connection gone. */
  readonly #gone: Promise<void>;

  constructor(server: Server, connections: ReadonlySet<Accepted>, { web, clock, handshakes }: ListenerParts) {
    // A TCP server that listens has an address with a port.
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress(address, port);
    this.#server = server;
    this.#connections = connections;
    this.#web = web;
    this.#clock = clock;
    this.#handshakes = handshakes;
    this.secure = handshakes !== undefined;
    this.#gone = new Promise((resolve) => server.once('close', resolve));
  }

  /** How many there are. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Waits for Octavo peers to close the connections that are free, so that nothing which crosses the end is lost, but not for long. */
  async close(): Promise<void> {
    // Its callback waits for connections that are busy, and they may take their time.
    if (this.#server.listening) this.#server.close();
    const told = [...this.#connections]
      .map((connection) => connection.close())
      .concat(this.#handshakes?.close())
      .filter((each) => each !== undefined);
    if (told.length === 0) return;
    const enough = new AbortController();
    const late = Promise.resolve(this.#clock.sleep(FAREWELL_MS, enough.signal)).catch(() => {});
    await Promise.race([Promise.all(told), late]);
    enough.abort();
  }

  /** Closes, and cuts what is busy. */
  async cut(): Promise<void> {
    if (this.#server.listening) this.#server.close();
    this.#handshakes?.destroy();
    for (const connection of this.#connections) connection.destroy();
    await this.#gone;
    await this.#web.stop();
  }
}

/** What is not dialled in plain text. */
function wantsTls(address: string): OctavoError {
  return new OctavoError(
    'unavailable',
    `${address} takes TLS only, as its node says: give the http transport the option tls`,
    { executed: false },
  );
}

/** What is said to whom dials in plain text. */
function withoutTls({ localAddress = '', localPort = 0 }: TcpSocket): OctavoError {
  return new OctavoError(
    'unavailable',
    `${formatAddress(localAddress, localPort)} takes TLS only: give the http transport of the caller the option tls`,
    { executed: false },
  );
}

import { createServer, type AddressInfo, type Server } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { formatAddress, parseAddress } from '../core/address.js';
import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import type { MaybePromise } from '../core/lifecycle.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import { Refusals } from '../core/refusals.js';
import { Accepted, FAREWELL_MS } from './http/accepted.js';
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
  #dialler: Dialler;
  readonly #listeners = new Set<HttpListener>();

  constructor(options: HttpTransportOptions, parts: HttpTransportParts) {
    super();
    this.options = options;
    this.#parts = parts;
    this.#flow = { ...MESSAGE_LIMITS, timeoutMs: 60_000, headerTimeoutMs: 10_000, ...options };
    this.#dialler = new Dialler(parts.clock, this.#flow);
  }

  start(): void {
    // Connections are opened one by one, by `dial` and `listen`.
  }

  async stop(): Promise<void> {
    this.#dialler.destroy();
    this.#dialler = new Dialler(this.#parts.clock, this.#flow);
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    await Promise.all(listeners.map((listener) => listener.cut()));
  }

  dial(address: string, options: DialOptions = {}): MaybePromise<Socket> {
    return this.#dialler.dial(address, options);
  }

  async listen(
    address: string,
    accept: (socket: Socket) => void,
    { probes }: ListenOptions = {},
  ): Promise<Listener> {
    const { host, port } = parseAddress(address);
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
    const server = createServer({ allowHalfOpen: true }, (tcp) => {
      connections.add(new Accepted(tcp, { clock, options: this.#flow, idleMs, accept, web, refused, gone }));
    });
    server.maxConnections = maxConnections;
    server.on('drop', (dropped) => {
      const error = new OctavoError(
        'resource_exhausted',
        `${maxConnections} connections are open (maxConnections)`,
      );
      refusals.note(dropped?.remoteAddress ?? '', error);
    });
    await bind(server, host, port, address);
    sweepIdle(
      server,
      connections,
      clock,
      Math.min(idleMs || Infinity, this.#flow.headerTimeoutMs || Infinity),
    );
    const listener = new HttpListener(server, connections, { web, clock });
    this.#listeners.add(listener);
    return listener;
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

class HttpListener implements Listener {
  readonly address: string;
  readonly #server: Server;
  readonly #connections: ReadonlySet<Accepted>;
  readonly #web: Web;
  readonly #clock: Clock;
  /** The door is shut and the last connection gone. */
  readonly #gone: Promise<void>;

  constructor(
    server: Server,
    connections: ReadonlySet<Accepted>,
    { web, clock }: { web: Web; clock: Clock },
  ) {
    // A TCP server that listens has an address with a port.
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress(address, port);
    this.#server = server;
    this.#connections = connections;
    this.#web = web;
    this.#clock = clock;
    this.#gone = new Promise((resolve) => server.once('close', resolve));
  }

  /** Waits for Octavo peers to close the connections that are free, so that nothing which crosses the end is lost, but not for long. */
  async close(): Promise<void> {
    // Its callback waits for connections that are busy, and they may take their time.
    if (this.#server.listening) this.#server.close();
    const told = [...this.#connections]
      .map((connection) => connection.close())
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
    for (const connection of this.#connections) connection.destroy();
    await this.#gone;
    await this.#web.stop();
  }
}

function bind(server: Server, host: string, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const what =
        cause.code === 'EADDRINUSE'
          ? `the address ${address} is in use: stop what listens there, or set another (MICRO_SERVER_ADDRESS)`
          : `cannot listen on ${address}: ${cause.message}`;
      reject(new OctavoError('unavailable', what, { cause }));
    };
    server.once('error', fail);
    server.listen({ port, ...(host !== '' && { host }) }, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

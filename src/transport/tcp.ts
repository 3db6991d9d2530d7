import { createServer } from 'node:net';
import { parseAddress } from '../core/address.js';
import { bind, limitConnections } from '../core/bind.js';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { noteExposure } from '../core/exposure.js';
import type { MaybePromise } from '../core/lifecycle.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import { Refusals } from '../core/refusals.js';
import { Certificates, shownTls, type Tls } from '../core/tls.js';
import { newDialler } from './tcp/dialler.js';
import { Door } from './tcp/door.js';
import {
  MESSAGE_LIMITS,
  Transport,
  type DialOptions,
  type Listener,
  type Socket,
  type TransportOptions,
  type TransportStats,
} from './transport.js';

export interface TcpTransportOptions extends TransportOptions {
  /** How many connections to one address are used at once, before any of them is full. @defaultValue `1` */
  readonly connections?: number;
  /** How much of one stream may wait unread at this end, in bytes; one message may be longer. @defaultValue 256 KiB */
  readonly windowBytes?: number;
  /** How many calls and streams the other end may have open on one connection. @defaultValue `1_024` */
  readonly maxStreams?: number;
  /** How many connections one listener holds open; more are closed as they come. @defaultValue `10_000` */
  readonly maxConnections?: number;
  /** For how long a new connection may take to say what it speaks, and a frame to arrive, in milliseconds; `0` is for ever. @defaultValue `10_000` */
  readonly headerTimeoutMs?: number;
  /** After which silence the other end of a connection is taken for dead, in milliseconds; `0` is never. @defaultValue `30_000` */
  readonly keepaliveMs?: number;
  /** For how long a listener keeps a connection that carries nothing at least, in milliseconds; `0` is for ever. @defaultValue `120_000` */
  readonly idleMs?: number;
  /** Speaks TLS, and nothing else, with everybody: `{ ca }` to call, `{ cert, key }` to be called. @defaultValue plain text */
  readonly tls?: Tls;
}

export interface TcpTransportParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

const DEFAULTS = {
  ...MESSAGE_LIMITS,
  timeoutMs: 60_000,
  connections: 1,
  windowBytes: 256 * 1024,
  maxStreams: 1_024,
  maxConnections: 10_000,
  headerTimeoutMs: 10_000,
  keepaliveMs: 30_000,
  idleMs: 120_000,
};

/**
 * Octavo's own wire between Octavo peers: calls and streams share a connection, framed and with headers that are said once.
 *
 * go-micro's tcp transport is another one: it speaks Go's gob.
 */
export class TcpTransport extends Transport {
  readonly name = 'tcp';
  readonly streams = true;
  readonly options: TcpTransportOptions;
  readonly #settings: typeof DEFAULTS;
  readonly #parts: TcpTransportParts;
  readonly #refusals: Refusals;
  readonly #certificates: Certificates | undefined;
  readonly #dialler: ReturnType<typeof newDialler>;
  readonly #doors = new Set<Door>();

  constructor(options: TcpTransportOptions, parts: TcpTransportParts) {
    super();
    const { tls, ...others } = options;
    this.options = tls === undefined ? options : { ...others, tls: shownTls(tls) };
    this.#settings = { ...DEFAULTS, ...others };
    this.#certificates = tls && new Certificates('the tcp transport', tls, parts);
    this.#parts = parts;
    this.#refusals = new Refusals(parts.clock, parts.logger);
    this.#dialler = newDialler(parts.clock, this.#settings, this.#certificates);
  }

  /** Reads certificates, where there are any. Connections are opened one by one, by `dial` and `listen`. */
  start(): MaybePromise<void> {
    return this.#certificates?.start();
  }

  async stop(): Promise<void> {
    this.#dialler.destroy();
    const doors = [...this.#doors];
    this.#doors.clear();
    await Promise.all(doors.map((door) => door.cut()));
    this.#certificates?.stop();
  }

  override stats(): TransportStats {
    const accepted = [...this.#doors].reduce((sum, { connections }) => sum + connections, 0);
    return { ...this.#dialler.stats, accepted };
  }

  dial(address: string, options: DialOptions = {}): MaybePromise<Socket> {
    if (options.secure === true && this.#certificates === undefined) throw wantsTls(address);
    return this.#dialler.dial(address, options);
  }

  async listen(address: string, accept: (socket: Socket) => void): Promise<Listener> {
    const { maxConnections } = this.#settings;
    const { clock, logger } = this.#parts;
    const certificates = this.#certificates;
    await certificates?.forServer();
    const server = createServer();
    limitConnections(server, maxConnections, this.#refusals);
    await bind(server, parseAddress(address), address);
    const door = new Door(server, this.#settings, { clock, refusals: this.#refusals, accept, certificates });
    this.#doors.add(door);
    if (certificates === undefined) noteExposure('the tcp transport', door.address, logger);
    return door;
  }
}

/** Speaks Octavo's own wire. */
export function tcp(options: TcpTransportOptions = {}): Provider<Transport> {
  return (resolve) => new TcpTransport(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

/** What is not dialled in plain text. */
function wantsTls(address: string): OctavoError {
  const what = `${address} takes TLS only, as its node says: give the tcp transport the option tls`;
  return new OctavoError('unavailable', what, { executed: false });
}

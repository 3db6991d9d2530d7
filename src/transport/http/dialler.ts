import { connect, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import { parseAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Secured } from '../../core/handshakes.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import { checkOf, type Certificates, type TlsPolicy } from '../../core/tls.js';
import { handshakeFailed } from '../../core/tls-fault.js';
import { inAll, type PoolStats } from '../../core/pool-stats.js';
import type { DialOptions, Socket } from '../transport.js';
import { Dialled, DialledSocket } from './dialled.js';
import type { FlowOptions } from './flow.js';
import { Pool } from './pool.js';

/** Where an address without a host is. */
const LOCALHOST = '127.0.0.1';

/** Opens connections, and uses them again. */
export class Dialler {
  readonly #clock: Clock;
  readonly #options: FlowOptions;
  readonly #certificates: Certificates | undefined;
  readonly #pools = new Map<string, Pool>();
  #destroyed = false;

  /** @param certificates for TLS; without them everything is dialled in plain text */
  constructor(clock: Clock, options: FlowOptions, certificates: Certificates | undefined) {
    this.#clock = clock;
    this.#options = options;
    this.#certificates = certificates;
  }

  dial(address: string, options: DialOptions): MaybePromise<Socket> {
    const pool = this.#pool(address);
    const free = options.stream === true ? undefined : pool.take(options.pool);
    return free === undefined ? this.#open(pool, address, options) : this.#socket(pool, free, options);
  }

  get stats(): PoolStats {
    return inAll(this.#pools.values());
  }

  destroy(): void {
    this.#destroyed = true;
    for (const pool of this.#pools.values()) pool.destroy();
    this.#pools.clear();
  }

  #pool(address: string): Pool {
    let pool = this.#pools.get(address);
    if (pool === undefined) {
      pool = new Pool(address, this.#clock, () => this.#pools.delete(address));
      this.#pools.set(address, pool);
    }
    return pool;
  }

  async #open(pool: Pool, address: string, options: DialOptions): Promise<Socket> {
    const room = pool.room(options);
    const free = isPromise(room) ? await room : room;
    if (free !== undefined) return this.#socket(pool, free, options);
    const { tcp, secured } = await this.#connect(address, options).catch((reason: unknown) => {
      pool.gone();
      throw reason;
    });
    if (this.#destroyed) {
      tcp.destroy();
      throw new OctavoError('unavailable', `the http transport was stopped while it dialled ${address}`, {
        executed: false,
      });
    }
    const gone = (it: Dialled): void => pool.gone(it);
    const connection = new Dialled(tcp, address, this.#clock, this.#options, gone, secured);
    pool.add(connection);
    return this.#socket(pool, connection, options);
  }

  #connect(address: string, options: DialOptions): Promise<Opened> {
    const certificates = this.#certificates;
    if (certificates === undefined) return open(address, options, this.#clock);
    const { host } = parseAddress(address);
    const openWith = (context: SecureContext): Promise<Opened> =>
      open(address, options, this.#clock, (tcp) => secure(tcp, host, context, certificates.policy));
    const context = certificates.forClient();
    return isPromise(context) ? context.then(openWith) : openWith(context);
  }

  #socket(pool: Pool, connection: Dialled, { stream = false, pool: options }: DialOptions): Socket {
    const socket = new DialledSocket(connection, stream, this.#options, (it, reuse) => {
      if (reuse) pool.give(it, options);
    });
    connection.current = socket;
    return socket;
  }
}

/** A connection that was opened. */
interface Opened {
  readonly tcp: TcpSocket;
  readonly secured?: Secured;
}

/** Opens a TCP connection, and TLS on it where there is `secure`, within the time and unless it is given up. */
function open(
  address: string,
  { timeoutMs = 5_000, cancellation }: DialOptions,
  clock: Clock,
  secure?: (tcp: TcpSocket) => TLSSocket,
): Promise<Opened> {
  const { host, port } = parseAddress(address);
  if (cancellation?.cancelled !== undefined) return Promise.reject(cancellation.cancelled);
  return new Promise((resolve, reject) => {
    const tcp = connect({ host: host === '' ? LOCALHOST : host, port, allowHalfOpen: true });
    let tls: TLSSocket | undefined;
    const settle = (error?: OctavoError): void => {
      timer.cancel();
      forget?.();
      tcp.off('connect', connected);
      tcp.off('error', failed);
      tls?.off('secureConnect', opened);
      tls?.off('error', broken);
      if (error === undefined) return resolve(tls === undefined ? { tcp } : { tcp: tls, secured: { tcp } });
      // Nobody listens for what may still happen to it.
      tls?.on('error', () => {});
      tcp.on('error', () => {});
      tcp.destroy();
      reject(error);
    };
    const opened = (): void => settle();
    const connected = (): void => {
      if (secure === undefined) return settle();
      tcp.off('error', failed);
      // What breaks from here on is told by TLS.
      tcp.on('error', () => {});
      tls = secure(tcp);
      tls.once('secureConnect', opened);
      tls.once('error', broken);
    };
    const broken = (cause: Error): void => settle(handshakeFailed(address, cause));
    const failed = (cause: Error): void =>
      settle(
        new OctavoError('unavailable', `nobody answers at ${address}: ${cause.message}`, {
          cause,
          executed: false,
        }),
      );
    const timer = clock.after(timeoutMs, () =>
      settle(
        new OctavoError(
          'deadline_exceeded',
          `opening a connection to ${address} took longer than ${timeoutMs} ms${tls === undefined ? '' : ': its TLS handshake did not end'}`,
          {
            executed: false,
          },
        ),
      ),
    );
    const forget = cancellation?.onCancel(settle);
    tcp.once('connect', connected);
    tcp.once('error', failed);
  });
}

/** Begins TLS on a TCP connection. */
function secure(tcp: TcpSocket, host: string, secureContext: SecureContext, policy: TlsPolicy): TLSSocket {
  const check = checkOf(host === '' ? LOCALHOST : host, policy);
  return connectTls({ socket: tcp, secureContext, ...check, ALPNProtocols: ['http/1.1'] });
}

import { connect, type Socket as TcpSocket } from 'node:net';
import { parseAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { DialOptions, Socket } from '../transport.js';
import { Dialled, DialledSocket } from './dialled.js';
import type { FlowOptions } from './flow.js';
import { Pool } from './pool.js';

/** Opens connections, and uses them again. */
export class Dialler {
  readonly #clock: Clock;
  readonly #options: FlowOptions;
  readonly #pools = new Map<string, Pool>();
  #destroyed = false;

  constructor(clock: Clock, options: FlowOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  dial(address: string, options: DialOptions): MaybePromise<Socket> {
    const pool = this.#pool(address);
    const free = options.stream === true ? undefined : pool.take(options.pool);
    return free === undefined ? this.#open(pool, address, options) : this.#socket(pool, free, options);
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
    const tcp = await open(address, options, this.#clock).catch((reason: unknown) => {
      pool.gone();
      throw reason;
    });
    if (this.#destroyed) {
      tcp.destroy();
      throw new OctavoError('unavailable', `the http transport was stopped while it dialled ${address}`, {
        executed: false,
      });
    }
    const connection = new Dialled(tcp, address, this.#clock, this.#options, (it) => pool.gone(it));
    pool.add(connection);
    return this.#socket(pool, connection, options);
  }

  #socket(pool: Pool, connection: Dialled, { stream = false, pool: options }: DialOptions): Socket {
    const socket = new DialledSocket(connection, stream, this.#options, (it, reuse) => {
      if (reuse) pool.give(it, options);
    });
    connection.current = socket;
    return socket;
  }
}

/** Opens a TCP connection, within the time and unless it is given up. */
function open(
  address: string,
  { timeoutMs = 5_000, cancellation }: DialOptions,
  clock: Clock,
): Promise<TcpSocket> {
  const { host, port } = parseAddress(address);
  if (cancellation?.cancelled !== undefined) return Promise.reject(cancellation.cancelled);
  return new Promise((resolve, reject) => {
    const tcp = connect({ host: host === '' ? '127.0.0.1' : host, port, allowHalfOpen: true });
    const settle = (error?: OctavoError): void => {
      timer.cancel();
      forget?.();
      tcp.off('connect', opened);
      tcp.off('error', failed);
      if (error === undefined) return resolve(tcp);
      // Nobody listens for what may still happen to it.
      tcp.on('error', () => {});
      tcp.destroy();
      reject(error);
    };
    const opened = (): void => settle();
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
          `opening a connection to ${address} took longer than ${timeoutMs} ms`,
          {
            executed: false,
          },
        ),
      ),
    );
    const forget = cancellation?.onCancel(settle);
    tcp.once('connect', opened);
    tcp.once('error', failed);
  });
}

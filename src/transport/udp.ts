import { isLoopback, parseAddress } from '../core/address.js';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import type { MaybePromise } from '../core/lifecycle.js';
import { Logger } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import {
  MESSAGE_LIMITS,
  Transport,
  type DialOptions,
  type Listener,
  type MessageLimits,
  type Socket,
} from './transport.js';
import { LEAST_CALL_BYTES, MOST_BYTES } from './udp/datagram.js';
import { Door } from './udp/door.js';
import { Dropped, type DropReason } from './udp/dropped.js';
import { Links } from './udp/links.js';
import type { Settings } from './udp/settings.js';

export interface UdpTransportOptions extends MessageLimits {
  /** Bytes of one body. With its header it must fit into a datagram of 65,507 bytes. @defaultValue 56 KiB */
  readonly maxMessageBytes?: number;
  /** Bytes of one message's header. @defaultValue 40 KiB */
  readonly maxHeaderBytes?: number;
  /** How many calls one listener has open, and one peer is asked at once; more are refused. @defaultValue `10_000` */
  readonly maxSockets?: number;
  /** After which silence an idempotent call is sent again, in milliseconds; doubled each time, up to 5 s. @defaultValue `200` */
  readonly retransmitMs?: number;
}

export interface UdpTransportParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a datagram leaves for errors: they are at most 16 KiB in a header, which has them twice. */
const LIMITS = { ...MESSAGE_LIMITS, maxMessageBytes: 56 * 1024, maxHeaderBytes: 40 * 1024 };

/**
 * Carries calls over UDP, a datagram each way, and no streams.
 *
 * A call that is lost ends at its deadline, unless it is idempotent: that is sent again.
 */
export class UdpTransport extends Transport {
  readonly name = 'udp';
  readonly streams = false;
  readonly options: UdpTransportOptions;
  readonly #settings: Settings;
  #links: Links;
  readonly #doors = new Set<Door>();

  constructor(options: UdpTransportOptions, { clock, logger }: UdpTransportParts) {
    super();
    this.options = { ...LIMITS, ...options };
    const { maxSockets = 10_000, retransmitMs = 200 } = options;
    const dropped = new Dropped(clock, logger);
    const limits = { ...LIMITS, ...options };
    this.#settings = { clock, logger, limits, maxSockets, retransmitMs, dropped };
    this.#links = new Links(this.#settings);
  }

  /** How many datagrams were dropped, and why. */
  get dropped(): Readonly<Record<DropReason, number>> {
    return this.#settings.dropped.counts;
  }

  /** Throws `failed_precondition` for a limit that no datagram can keep, and for TLS, which there is none of. Ports are opened one by one, by `dial` and `listen`. */
  start(): void {
    // Its type has none, but there are callers without types.
    if ('tls' in this.options && this.options.tls !== undefined)
      throw new OctavoError(
        'failed_precondition',
        'tls of the udp transport: there is no DTLS in Node: leave it out, or use another transport, such as http',
      );
    const { maxMessageBytes } = this.#settings.limits;
    const most = MOST_BYTES - LEAST_CALL_BYTES;
    if (maxMessageBytes > most)
      throw new OctavoError(
        'failed_precondition',
        `maxMessageBytes is ${maxMessageBytes}, and the udp transport carries ${most} at most: set it lower, or use another transport`,
      );
  }

  async stop(): Promise<void> {
    const stopped = new OctavoError('unavailable', 'the udp transport was stopped');
    const links = this.#links;
    this.#links = new Links(this.#settings);
    await Promise.all([links.end(stopped), ...[...this.#doors].map((door) => door.cut(stopped))]);
  }

  dial(address: string, options: DialOptions = {}): MaybePromise<Socket> {
    const { cancellation, stream = false, secure = false } = options;
    if (cancellation?.cancelled !== undefined) throw cancellation.cancelled;
    if (stream)
      throw new OctavoError(
        'failed_precondition',
        `the udp transport carries no streams: call ${address} over another transport, such as http`,
        { executed: false },
      );
    if (secure)
      throw new OctavoError(
        'unavailable',
        `${address} takes TLS only, as its node says: the udp transport has none`,
        { executed: false },
      );
    return this.#links.to(address).dial(options);
  }

  async listen(address: string, accept: (socket: Socket) => void): Promise<Listener> {
    const door = new Door(accept, this.#settings, (it) => void this.#doors.delete(it));
    await door.bind(address);
    this.#doors.add(door);
    this.#noteExposure(door);
    return door;
  }

  #noteExposure({ address }: Door): void {
    if (isLoopback(parseAddress(address).host)) return;
    this.#settings.logger.warn(
      'the udp transport has no TLS, and listens where others can read and change what is sent: keep it to networks you trust',
      { address },
    );
  }
}

/** Carries calls over UDP. */
export function udp(options: UdpTransportOptions = {}): Provider<Transport> {
  return (resolve) => new UdpTransport(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

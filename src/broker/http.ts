import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import type { MaybePromise } from '../core/lifecycle.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import { Certificates, shownTls, type Tls } from '../core/tls.js';
import { Registry } from '../registry/registry.js';
import {
  Broker,
  type BrokerStats,
  type BrokerOptions,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';
import { Session, type SessionParts } from './http/session.js';
import { Traffic } from './traffic.js';

export interface HttpBrokerOptions extends BrokerOptions {
  /** Where it listens once there is a subscription. @defaultValue `'127.0.0.1:0'` */
  readonly address?: string;
  /** What publishers are told to dial, `host` or `host:port`. @defaultValue the bound address */
  readonly advertise?: string;
  /** Bytes of one event with its envelope, where a body takes four thirds of its own. @defaultValue 8 MiB */
  readonly maxBodyBytes?: number;
  /** Bytes of one event's header. @defaultValue 64 KiB */
  readonly maxHeaderBytes?: number;
  /** Names in one event's header. @defaultValue `256` */
  readonly maxHeaders?: number;
  /** For how long one post may take, in milliseconds: to arrive, and for its publisher until the answer, handlers included. @defaultValue `10_000` */
  readonly timeoutMs?: number;
  /** How many connections it holds open to those that post; more are closed as they come. @defaultValue `1_024` */
  readonly maxConnections?: number;
  /** How many events are taken in at once, handlers included; more are refused with the status 429. @defaultValue `1_024` */
  readonly maxEvents?: number;
  /** How many publishes are under way at once; over it `publish` rejects with `resource_exhausted`. @defaultValue `1_024` */
  readonly maxPublishes?: number;
  /** For how long `stop` waits for what is in hand, in milliseconds. @defaultValue `10_000` */
  readonly drainMs?: number;
  /** For how long the registry knows a subscription that is silent, in milliseconds. @defaultValue `60_000` */
  readonly registerTtlMs?: number;
  /** How often a subscription is renewed, in milliseconds, at most half the TTL. @defaultValue `30_000` */
  readonly registerIntervalMs?: number;
  /** Posts, and is posted to, over TLS and never without: `{ ca }` to publish, `{ cert, key }` to subscribe. @defaultValue plain text */
  readonly tls?: Tls;
}

export type HttpBrokerParts = SessionParts;

const DEFAULTS = {
  maxBodyBytes: 8 * 1024 * 1024,
  maxHeaderBytes: 64 * 1024,
  maxHeaders: 256,
  timeoutMs: 10_000,
  maxConnections: 1_024,
  maxEvents: 1_024,
  maxPublishes: 1_024,
  drainMs: 10_000,
  registerTtlMs: 60_000,
  registerIntervalMs: 30_000,
};

/**
 * go-micro's default broker: a subscriber is a node in the registry, and publishing posts to each.
 *
 * At most once: an event that cannot be posted, or whose handler fails, is logged and gone. It listens from the first subscription on, so
 * who only publishes opens no port.
 */
export class HttpBroker extends Broker {
  readonly name = 'http';
  readonly options: HttpBrokerOptions & typeof DEFAULTS;
  readonly guarantees = {
    delivery: 'at-most-once',
    durable: false,
    ordering: 'none',
    queues: true,
    redelivery: false,
  } as const;
  readonly #parts: HttpBrokerParts;
  readonly #traffic = new Traffic();
  readonly #certificates: Certificates | undefined;
  #starting: Promise<void> | undefined;
  #session: Session | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws `failed_precondition` for an interval over half the TTL: one lost renewal would take a subscription away */
  constructor(options: HttpBrokerOptions, parts: HttpBrokerParts) {
    super();
    const { tls, ...others } = options;
    this.options = { ...DEFAULTS, ...others, ...(tls !== undefined && { tls: shownTls(tls) }) };
    this.#certificates = tls && new Certificates('the http broker', tls, parts);
    const { registerIntervalMs, registerTtlMs } = this.options;
    if (registerIntervalMs > registerTtlMs / 2)
      throw new OctavoError(
        'failed_precondition',
        `registerIntervalMs ${registerIntervalMs} is over half of registerTtlMs ${registerTtlMs}: one lost renewal would take a subscription away`,
      );
    this.#parts = parts;
  }

  get address(): string {
    return this.#session?.address ?? '';
  }

  override stats(): BrokerStats {
    return this.#traffic.stats(this.#session !== undefined);
  }

  start(): MaybePromise<void> {
    if (this.#stopping !== undefined) return this.#stopping.then(() => this.start());
    if (this.#session !== undefined) return;
    if (this.#certificates === undefined) return this.#open();
    return (this.#starting ??= this.#certificates
      .start()
      .then(() => this.#open())
      .finally(() => (this.#starting = undefined)));
  }

  stop(): MaybePromise<void> {
    if (this.#starting !== undefined)
      return this.#starting.then(
        () => this.stop(),
        () => {},
      );
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined)
      this.#stopping = session.close().finally(() => {
        this.#stopping = undefined;
        this.#certificates?.stop();
      });
    return this.#stopping;
  }

  publish(topic: string, message: Message, options: PublishOptions = {}): Promise<void> {
    return this.#traffic.publish(this.#publish(topic, message, options));
  }

  async #publish(topic: string, message: Message, { signal }: PublishOptions): Promise<void> {
    await this.#running.publish(topic, message, signal);
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    const session = this.#running;
    if (options.durable === true)
      throw new OctavoError(
        'failed_precondition',
        `the http broker keeps nothing while a subscriber of "${topic}" is away: leave "durable" out`,
      );
    return session.subscribe(topic, this.#traffic.counted(handler), options);
  }

  #open(): void {
    this.#session = new Session(this.options, this.#parts, this.#certificates);
  }

  get #running(): Session {
    if (this.#session !== undefined) return this.#session;
    throw new OctavoError('failed_precondition', 'the http broker is not started: call start() first');
  }
}

/** Publishes by HTTP to the subscribers that the registry knows. */
export function http(options: HttpBrokerOptions = {}): Provider<Broker> {
  return (resolve) =>
    new HttpBroker(options, { registry: resolve(Registry), clock: resolve(Clock), logger: resolve(Logger) });
}

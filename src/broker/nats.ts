import { Clock } from '../core/clock.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { NatsOptions, NatsParts } from '../core/nats.js';
import { NatsConnections } from '../core/nats-connection.js';
import { checkPattern, checkTopic } from '../core/nats-subject.js';
import type { Provider } from '../core/provider.js';
import {
  Broker,
  type BrokerStats,
  type BrokerGuarantees,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';
import { HEADER_LIMITS, writeEnvelope } from './envelope.js';
import { Session, type NatsLimits } from './nats/session.js';
import { checkBody, checkDurable, notStarted, servedLimits, type ServedBrokerOptions } from './served.js';
import { Traffic } from './traffic.js';

export interface NatsBrokerOptions extends ServedBrokerOptions, NatsOptions {
  /** How many events one subscription holds that its handler has not begun with; more are dropped. @defaultValue `8_192` */
  readonly prefetch?: number;
  /** Bytes of the events that one subscription holds; more are dropped. @defaultValue 64 MiB */
  readonly maxPendingBytes?: number;
  /** Bytes of one event's header. @defaultValue 64 KiB */
  readonly maxHeaderBytes?: number;
  /** Names in one event's header. @defaultValue `256` */
  readonly maxHeaders?: number;
}

/**
 * Publishes by core NATS, in the form of go-micro's nats broker: a topic is a subject. Needs `npm install @nats-io/transport-node`.
 *
 * At most once: a publish is confirmed when the server has it, and the server keeps nothing for who is away. Subscriptions may have wildcards.
 */
export class NatsBroker extends Broker {
  readonly name = 'nats';
  readonly guarantees: BrokerGuarantees;
  /** What it was given, without what is secret. */
  readonly options: Omit<NatsBrokerOptions, 'user' | 'pass' | 'token' | 'tls'>;
  readonly #given: NatsOptions;
  readonly #limits: NatsLimits;
  readonly #parts: NatsParts;
  readonly #traffic = new Traffic();
  #starting: Promise<void> | undefined;
  #session: Session | undefined;

  constructor(options: NatsBrokerOptions, parts: NatsParts) {
    super();
    const { user: _user, pass: _pass, token: _token, tls: _tls, addresses: _addresses, ...shown } = options;
    this.options = shown;
    this.#given = options;
    this.#parts = parts;
    const { maxPendingBytes = 64 * 1024 * 1024 } = options;
    this.#limits = {
      ...HEADER_LIMITS,
      ...shown,
      ...servedLimits(options, { prefetch: 8_192 }),
      maxPendingBytes,
    };
    this.guarantees = {
      delivery: 'at-most-once',
      durable: false,
      ordering: this.#limits.concurrency === 1 ? 'per-topic' : 'none',
      queues: true,
      redelivery: false,
    };
  }

  get address(): string {
    return this.#session?.where ?? '';
  }

  override stats(): BrokerStats {
    return this.#traffic.stats(this.#session?.up === true);
  }

  start(): Promise<void> {
    return (this.#starting ??= this.#start());
  }

  async stop(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#starting = undefined;
    await session?.stop();
  }

  publish(topic: string, message: Message, options: PublishOptions = {}): Promise<void> {
    return this.#traffic.publish(this.#publish(topic, message, options));
  }

  async #publish(topic: string, message: Message, { signal }: PublishOptions): Promise<void> {
    const session = this.#running;
    checkTopic(topic);
    checkBody(topic, message, this.#limits.maxMessageBytes);
    // What the server takes is known to it alone.
    const data = writeEnvelope(topic, message, { ...this.#limits, maxBodyBytes: Infinity });
    await session.publish(topic, data, signal);
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    const session = this.#running;
    checkDurable(this, topic, options);
    checkPattern(topic);
    return session.subscribe(topic, this.#traffic.counted(handler), options);
  }

  async #start(): Promise<void> {
    const session = new Session(this.#given, this.#limits, this.#parts);
    this.#session = session;
    try {
      await session.start();
    } catch (reason) {
      if (this.#session === session) {
        this.#session = undefined;
        this.#starting = undefined;
      }
      throw reason;
    }
  }

  get #running(): Session {
    if (this.#session === undefined) throw notStarted(this);
    return this.#session;
  }
}

/** Publishes through core NATS. */
export function nats(options: NatsBrokerOptions = {}): Provider<Broker> {
  return (resolve) =>
    new NatsBroker(options, {
      clock: resolve(Clock),
      logger: resolve(Logger),
      connections: resolve(NatsConnections),
    });
}

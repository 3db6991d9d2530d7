import { Clock } from '../core/clock.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import type { RabbitChannel } from '../core/rabbitmq-channel.js';
import { RabbitConnections } from '../core/rabbitmq-connection.js';
import { checkShort } from '../core/rabbitmq-message.js';
import { RabbitClient, type RabbitOptions, type RabbitParts } from '../core/rabbitmq.js';
import type { Broker, BrokerGuarantees, DeliveryHandler, SubscribeOptions } from './broker.js';
import { defaultQueueName, lastingExchange, type Topology } from './rabbitmq/names.js';
import { Publisher } from './rabbitmq/publisher.js';
import { Subscription, type SubscriptionInit } from './rabbitmq/subscription.js';
import { writeHeader } from './rabbitmq/wire.js';
import { servedLimits, type ServedBrokerOptions } from './served.js';
import { ServedBroker, type ServedSubscription } from './served-broker.js';

export interface RabbitBrokerOptions extends ServedBrokerOptions, RabbitOptions {
  /** For how long the start looks for a server, in milliseconds. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number;
  /** The topic exchange that events go through. @defaultValue `'micro'`, go-micro's */
  readonly exchange?: string;
  /** Whether that exchange was declared as durable: all who use it must say the same. @defaultValue `false`, go-micro's */
  readonly durableExchange?: boolean;
  /** Names the queue that those with one `queue` share for a topic; `(queue) => queue` is go-micro's, which is one for all topics. @defaultValue `<queue>.<topic>`, with `.durable` behind it where it is that */
  readonly queueName?: (queue: string, topic: string, durable: boolean) => string;
  /** Arguments of durable queues, such as `{ 'x-queue-type': 'quorum' }`. @defaultValue none */
  readonly queueArguments?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Carries events over a RabbitMQ server, in the form of go-micro's rabbitmq broker: through a topic exchange, so that a subscriber may use `*` and
 * `#`. Needs `npm install rabbitmq-client`.
 *
 * What is refused waits at the server, in a queue of its own, from which the members of the queue take it, too, when it is due.
 */
export class RabbitBroker extends ServedBroker {
  readonly name = 'rabbitmq';
  readonly guarantees: BrokerGuarantees;
  /** What it was given, without what is secret. */
  readonly options: Omit<RabbitBrokerOptions, 'user' | 'pass' | 'tls'>;
  readonly #client: RabbitClient;
  readonly #topology: Topology;
  readonly #publisher: Publisher;
  readonly #waits: Publisher;
  readonly #subscribing: SubscriptionInit;
  /** Whether the last connection broke for something that came and cannot be read. */
  #unreadable = false;

  constructor(options: RabbitBrokerOptions, parts: RabbitParts) {
    const limits = servedLimits(options);
    const { clock, logger } = parts;
    super('rabbitmq', limits, clock);
    const { user: _user, pass: _pass, tls: _tls, addresses: _addresses, ...shown } = options;
    const { exchange = 'micro', durableExchange = false, queueArguments = {} } = options;
    const { queueName = defaultQueueName } = options;
    checkShort('the name of an exchange', `${exchange}.durable`);
    this.options = { ...limits, exchange, durableExchange, ...shown };
    this.guarantees = {
      delivery: 'at-least-once',
      durable: true,
      ordering: limits.concurrency === 1 ? 'per-topic' : 'none',
      queues: true,
      redelivery: true,
    };
    const topology = { exchange, durableExchange, queueName, queueArguments };
    const client = new RabbitClient('the rabbitmq broker', options, parts, {
      down: (_, unreadable) => (this.#unreadable = unreadable),
      up: () => this.renew(this.#unreadable),
    });
    const exchanges = (channel: RabbitChannel): Promise<void> => this.#declare(channel);
    const waits = new Publisher(client, async () => {});
    this.#topology = topology;
    this.#client = client;
    this.#publisher = new Publisher(client, exchanges);
    this.#waits = waits;
    this.#subscribing = { client, topology, limits, clock, logger, exchanges, waits };
  }

  protected get where(): string {
    return this.#client.where;
  }

  protected get connected(): boolean {
    return this.started && this.#client.up;
  }

  /** A server that is not there says nothing more of what it was sent. */
  protected override get drainMs(): number {
    return this.#client.up ? this.limits.drainMs : 0;
  }

  protected open(): Promise<void> {
    return this.#client.start();
  }

  protected async close(): Promise<void> {
    await Promise.all([this.#publisher.stop(), this.#waits.stop()]);
    await this.#client.stop();
  }

  protected sending(topic: string, message: Message): () => Promise<void> {
    checkShort('the topic', topic);
    const envelope = {
      ...writeHeader(topic, message.header),
      exchange: this.#topology.exchange,
      routingKey: topic,
    };
    const body = Buffer.from(message.body);
    return () => this.#publisher.send(`publish to "${topic}"`, envelope, body);
  }

  protected subscription(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
  ): ServedSubscription {
    checkShort('the topic', topic);
    return new Subscription(topic, handler, options, this.#subscribing);
  }

  /** Declares the exchange, and behind it the one that durable queues hang on, so that it is there before anything is published. */
  async #declare(channel: RabbitChannel): Promise<void> {
    const { exchange, durableExchange } = this.#topology;
    await channel.exchangeDeclare({ exchange, type: 'topic', durable: durableExchange });
    const lasting = lastingExchange(this.#topology);
    if (lasting === exchange) return;
    await channel.exchangeDeclare({ exchange: lasting, type: 'topic', durable: true });
    await channel.exchangeBind({ source: exchange, destination: lasting, routingKey: '#' });
  }
}

/** Carries events over RabbitMQ. */
export function rabbitmq(options: RabbitBrokerOptions = {}): Provider<Broker> {
  return (resolve) =>
    new RabbitBroker(options, {
      clock: resolve(Clock),
      logger: resolve(Logger),
      connections: resolve(RabbitConnections),
    });
}

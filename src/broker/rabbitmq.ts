import { Clock } from '../core/clock.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import type { RabbitChannel } from '../core/rabbitmq-channel.js';
import { RabbitConnections } from '../core/rabbitmq-connection.js';
import { checkShort } from '../core/rabbitmq-message.js';
import { RabbitClient, type RabbitOptions, type RabbitParts } from '../core/rabbitmq.js';
import {
  Broker,
  type BrokerStats,
  type BrokerGuarantees,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';
import { Publishes } from './publishes.js';
import { defaultQueueName, lastingExchange, type Topology } from './rabbitmq/names.js';
import { Publisher } from './rabbitmq/publisher.js';
import { Subscription, type SubscriptionInit } from './rabbitmq/subscription.js';
import { writeHeader } from './rabbitmq/wire.js';
import {
  checkBody,
  checkDurable,
  notStarted,
  servedLimits,
  type ServedBrokerOptions,
  type ServedLimits,
} from './served.js';
import { Traffic } from './traffic.js';

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
 * What is refused waits at the server, in a queue of its own, and comes again behind those that wait by then.
 */
export class RabbitBroker extends Broker {
  readonly name = 'rabbitmq';
  readonly guarantees: BrokerGuarantees;
  /** What it was given, without what is secret. */
  readonly options: Omit<RabbitBrokerOptions, 'user' | 'pass' | 'tls'>;
  readonly #traffic = new Traffic();
  readonly #client: RabbitClient;
  readonly #limits: ServedLimits;
  readonly #topology: Topology;
  readonly #publishes: Publishes;
  readonly #publisher: Publisher;
  readonly #waits: Publisher;
  readonly #subscribing: SubscriptionInit;
  readonly #subscriptions = new Set<Subscription>();
  #running: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: RabbitBrokerOptions, parts: RabbitParts) {
    super();
    const { user: _user, pass: _pass, tls: _tls, addresses: _addresses, ...shown } = options;
    const limits = servedLimits(options);
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
    this.#limits = limits;
    this.#topology = { exchange, durableExchange, queueName, queueArguments };
    this.#client = new RabbitClient('the rabbitmq broker', options, parts, {
      down: (_, unreadable) => {
        for (const each of this.#subscriptions) each.suspect ||= unreadable;
      },
      up: () => {
        for (const each of this.#subscriptions) each.renew();
      },
    });
    this.#publishes = new Publishes(this.name, limits, parts.clock);
    const exchanges = (channel: RabbitChannel): Promise<void> => this.#declare(channel);
    this.#publisher = new Publisher(this.#client, exchanges);
    this.#waits = new Publisher(this.#client, async () => {});
    const { clock, logger } = parts;
    const client = this.#client;
    const waits = this.#waits;
    this.#subscribing = { client, topology: this.#topology, limits, clock, logger, exchanges, waits };
  }

  get address(): string {
    return this.#running === undefined ? '' : this.#client.where;
  }

  override stats(): BrokerStats {
    return this.#traffic.stats(this.#running !== undefined && this.#client.up);
  }

  start(): Promise<void> {
    if (this.#stopping !== undefined) return this.#stopping.then(() => this.start());
    return (this.#running ??= this.#open());
  }

  async stop(): Promise<void> {
    if (this.#running !== undefined)
      this.#stopping ??= this.#close().finally(() => (this.#stopping = undefined));
    await this.#stopping;
  }

  publish(topic: string, message: Message, options: PublishOptions = {}): Promise<void> {
    return this.#traffic.publish(this.#publish(topic, message, options));
  }

  async #publish(topic: string, message: Message, { signal }: PublishOptions): Promise<void> {
    if (this.#running === undefined) throw notStarted(this);
    checkShort('the topic', topic);
    checkBody(topic, message, this.#limits.maxMessageBytes);
    const envelope = {
      ...writeHeader(topic, message.header),
      exchange: this.#topology.exchange,
      routingKey: topic,
    };
    // What the publisher changes afterwards is not sent.
    const body = Buffer.from(message.body);
    await this.#publishes.run(topic, signal, () =>
      this.#publisher.send(`publish to "${topic}"`, envelope, body),
    );
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    if (this.#running === undefined || this.#stopping !== undefined) throw notStarted(this);
    checkDurable(this, topic, options);
    checkShort('the topic', topic);
    const subscription = new Subscription(topic, this.#traffic.counted(handler), options, this.#subscribing);
    this.#subscriptions.add(subscription);
    try {
      await subscription.begin();
    } catch (reason) {
      this.#subscriptions.delete(subscription);
      throw reason;
    }
    return {
      topic,
      options,
      unsubscribe: async () => {
        await subscription.end();
        this.#subscriptions.delete(subscription);
      },
    };
  }

  async #open(): Promise<void> {
    try {
      await this.#client.start();
    } catch (reason) {
      this.#running = undefined;
      throw reason;
    }
  }

  async #close(): Promise<void> {
    const { drainMs } = this.#limits;
    // Handlers in hand may publish until they are through.
    await Promise.all([...this.#subscriptions].map((each) => each.endWithin(drainMs)));
    this.#subscriptions.clear();
    this.#running = undefined;
    await this.#publishes.endWithin(this.#client.up ? drainMs : 0);
    await Promise.all([this.#publisher.stop(), this.#waits.stop()]);
    await this.#client.stop();
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

import { randomUUID } from 'node:crypto';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import { RedisLine } from '../core/redis.js';
import type { RedisOptions, RedisParts } from '../core/redis-options.js';
import {
  Broker,
  type BrokerStats,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';
import { Handout } from './handout.js';
import { Publishes } from './publishes.js';
import { Consumer } from './redis-streams/consumer.js';
import { writeEntry } from './redis-streams/entry.js';
import { GroupSource } from './redis-streams/group.js';
import { Keeper } from './redis-streams/keeper.js';
import { SoloSource } from './redis-streams/solo.js';
import {
  checkBody,
  checkDurable,
  notStarted,
  servedLimits,
  type ServedBrokerOptions,
  type ServedLimits,
} from './served.js';
import { Traffic } from './traffic.js';

export interface RedisStreamsBrokerOptions extends ServedBrokerOptions, RedisOptions {
  /** Put before a topic to make the key of its stream. @defaultValue `'octavo:'` */
  readonly prefix?: string;
  /** For how long a consumer may be silent, in milliseconds, until others of its queue take over what it has in hand. @defaultValue `15_000` */
  readonly claimAfterMs?: number;
  /** For how long an event stays in its stream after all queues have dealt with it, in milliseconds, for subscribers without a queue. @defaultValue one hour */
  readonly retentionMs?: number;
  /** Entries of one stream, about: what all queues have dealt with goes first, and over it `publish` rejects with `resource_exhausted`. @defaultValue `100_000` */
  readonly maxLength?: number;
}

/** A consumer that was silent so many times as long as others wait to take over is dead. */
const DEAD_TIMES = 4;

/**
 * Publishes to streams of a Redis server; a queue is a group of consumers. Needs `npm install ioredis`, and Redis 6.2 or later.
 *
 * At least once, as far as the server keeps what it has confirmed: surely with `appendonly yes` and `appendfsync always`.
 */
export class RedisStreamsBroker extends Broker {
  readonly name = 'redis-streams';
  /** What it was given, without what is secret. */
  readonly options: Omit<RedisStreamsBrokerOptions, 'user' | 'pass' | 'tls'>;
  readonly guarantees;
  readonly #given: RedisStreamsBrokerOptions;
  readonly #parts: RedisParts;
  readonly #traffic = new Traffic();
  readonly #limits: ServedLimits;
  readonly #prefix: string;
  readonly #claimAfterMs: number;
  readonly #commands: RedisLine;
  readonly #publishes: Publishes;
  readonly #keeper: Keeper;
  readonly #consumers = new Set<Consumer>();
  #running: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: RedisStreamsBrokerOptions, parts: RedisParts) {
    super();
    const { user: _user, pass: _pass, tls: _tls, ...shown } = options;
    const {
      prefix = 'octavo:',
      claimAfterMs = 15_000,
      retentionMs = 3_600_000,
      maxLength = 100_000,
    } = options;
    const limits = servedLimits(options);
    this.guarantees = {
      delivery: 'at-least-once',
      durable: true,
      ordering: limits.concurrency === 1 ? 'per-topic' : 'none',
      queues: true,
      redelivery: true,
    } as const;
    this.#given = options;
    this.#parts = parts;
    this.#limits = limits;
    this.#prefix = prefix;
    this.#claimAfterMs = claimAfterMs;
    this.#commands = new RedisLine('the redis-streams broker', options, parts, { up: async () => {} });
    this.#publishes = new Publishes(this.name, limits, parts.clock);
    const deadAfterMs = DEAD_TIMES * claimAfterMs;
    this.#keeper = new Keeper(
      { maxLength, retentionMs, deadAfterMs },
      { ...parts, commands: this.#commands },
    );
    const addresses = this.#commands.where.split(', ');
    this.options = { ...shown, ...limits, prefix, claimAfterMs, retentionMs, maxLength, addresses };
  }

  get address(): string {
    return this.#running === undefined ? '' : this.#commands.where;
  }

  override stats(): BrokerStats {
    return this.#traffic.stats(this.#running !== undefined && this.#commands.up);
  }

  start(): Promise<void> {
    if (this.#stopping !== undefined) return this.#stopping.then(() => this.start());
    return (this.#running ??= this.#open());
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running !== undefined)
      this.#stopping ??= this.#close(running).finally(() => (this.#stopping = undefined));
    await this.#stopping;
  }

  publish(topic: string, message: Message, options: PublishOptions = {}): Promise<void> {
    return this.#traffic.publish(this.#publish(topic, message, options));
  }

  async #publish(topic: string, message: Message, { signal }: PublishOptions): Promise<void> {
    if (this.#running === undefined) throw notStarted(this);
    checkBody(topic, message, this.#limits.maxMessageBytes);
    const fields = writeEntry(topic, message);
    const key = this.#prefix + topic;
    await this.#publishes.run(topic, signal, async () => {
      this.#keeper.count(topic, key);
      try {
        await this.#commands.redis.xadd(key, '*', ...fields);
      } catch (reason) {
        throw this.#commands.fault(reason);
      }
    });
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    if (this.#running === undefined || this.#stopping !== undefined) throw notStarted(this);
    checkDurable(this, topic, options);
    const consumer = this.#consumer(
      new Handout(topic, this.#traffic.counted(handler), options, this.#limits, this.#parts),
    );
    this.#consumers.add(consumer);
    try {
      await consumer.start();
    } catch (reason) {
      this.#consumers.delete(consumer);
      await consumer.end(0);
      throw this.#commands.fault(reason);
    }
    if (consumer.handout.ended)
      throw new OctavoError(
        'failed_precondition',
        `the redis-streams broker was stopped while it subscribed to "${topic}"`,
      );
    return {
      topic,
      options,
      unsubscribe: async () => {
        await consumer.end();
        void consumer.over.then(() => this.#consumers.delete(consumer));
      },
    };
  }

  #consumer(handout: Handout): Consumer {
    const { queue, durable = false } = handout.options;
    const key = this.#prefix + handout.topic;
    const claimAfterMs = this.#claimAfterMs;
    const source =
      queue === undefined
        ? new SoloSource(key)
        : new GroupSource({ key, group: queue, consumer: randomUUID(), durable, claimAfterMs });
    return new Consumer(handout, source, claimAfterMs, this.#given, {
      ...this.#parts,
      commands: this.#commands,
    });
  }

  async #open(): Promise<void> {
    try {
      await this.#commands.start();
    } catch (reason) {
      this.#running = undefined;
      await this.#commands.stop();
      throw reason;
    }
    this.#keeper.start();
    void this.#checkKept();
  }

  /** Says where a server may lose what it has confirmed. Many tell nobody how they are set. */
  async #checkKept(): Promise<void> {
    try {
      const reply = await this.#commands.redis.config('GET', 'append*');
      const pairs = Array.isArray(reply) ? (reply as string[]) : [];
      const [appendonly, appendfsync] = ['appendonly', 'appendfsync'].map(
        (name) => pairs[pairs.indexOf(name) + 1],
      );
      if (appendonly !== 'yes' || appendfsync !== 'always')
        this.#parts.logger.warn('when the Redis server dies, it may lose events that it has confirmed', {
          appendonly,
          appendfsync,
          remedy: 'appendonly yes, appendfsync always',
        });
    } catch (error) {
      this.#parts.logger.debug('the Redis server does not tell what it keeps', { error });
    }
  }

  async #close(running: Promise<void>): Promise<void> {
    const { drainMs } = this.#limits;
    // Handlers in hand may publish until they are through.
    await Promise.all([...this.#consumers].map((consumer) => consumer.end(drainMs)));
    this.#consumers.clear();
    this.#running = undefined;
    this.#keeper.stop();
    await this.#publishes.endWithin(this.#limits.drainMs);
    await this.#commands.stop();
    await running.catch(() => {});
  }
}

/** Publishes to streams of a Redis server, and shares them in groups. */
export function redisStreams(options: RedisStreamsBrokerOptions = {}): Provider<Broker> {
  return (resolve) => new RedisStreamsBroker(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

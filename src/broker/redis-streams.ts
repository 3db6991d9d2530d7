import { randomUUID } from 'node:crypto';
import { Clock } from '../core/clock.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import { RedisLine } from '../core/redis.js';
import type { RedisOptions, RedisParts } from '../core/redis-options.js';
import type { Broker, DeliveryHandler, SubscribeOptions } from './broker.js';
import { Handout } from './handout.js';
import { Consumer } from './redis-streams/consumer.js';
import { writeEntry } from './redis-streams/entry.js';
import { GroupSource } from './redis-streams/group.js';
import { Keeper } from './redis-streams/keeper.js';
import { SoloSource } from './redis-streams/solo.js';
import { servedLimits, type ServedBrokerOptions } from './served.js';
import { ServedBroker, type ServedSubscription } from './served-broker.js';

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
export class RedisStreamsBroker extends ServedBroker {
  readonly name = 'redis-streams';
  /** What it was given, without what is secret. */
  readonly options: Omit<RedisStreamsBrokerOptions, 'user' | 'pass' | 'tls'>;
  readonly guarantees;
  readonly #given: RedisStreamsBrokerOptions;
  readonly #parts: RedisParts;
  readonly #prefix: string;
  readonly #claimAfterMs: number;
  readonly #commands: RedisLine;
  readonly #keeper: Keeper;

  constructor(options: RedisStreamsBrokerOptions, parts: RedisParts) {
    const limits = servedLimits(options);
    super('redis-streams', limits, parts.clock);
    const { user: _user, pass: _pass, tls: _tls, ...shown } = options;
    const {
      prefix = 'octavo:',
      claimAfterMs = 15_000,
      retentionMs = 3_600_000,
      maxLength = 100_000,
    } = options;
    this.guarantees = {
      delivery: 'at-least-once',
      durable: true,
      ordering: limits.concurrency === 1 ? 'per-topic' : 'none',
      queues: true,
      redelivery: true,
    } as const;
    this.#given = options;
    this.#parts = parts;
    this.#prefix = prefix;
    this.#claimAfterMs = claimAfterMs;
    this.#commands = new RedisLine('the redis-streams broker', options, parts, { up: async () => {} });
    const deadAfterMs = DEAD_TIMES * claimAfterMs;
    this.#keeper = new Keeper(
      { maxLength, retentionMs, deadAfterMs },
      { ...parts, commands: this.#commands },
    );
    const addresses = this.#commands.where.split(', ');
    this.options = { ...shown, ...limits, prefix, claimAfterMs, retentionMs, maxLength, addresses };
  }

  protected get where(): string {
    return this.#commands.where;
  }

  protected get connected(): boolean {
    return this.started && this.#commands.up;
  }

  protected async open(): Promise<void> {
    try {
      await this.#commands.start();
    } catch (reason) {
      await this.#commands.stop();
      throw reason;
    }
    this.#keeper.start();
    void this.#checkKept();
  }

  protected async close(): Promise<void> {
    this.#keeper.stop();
    await this.#commands.stop();
  }

  protected sending(topic: string, message: Message): () => Promise<void> {
    const fields = writeEntry(topic, message);
    const key = this.#prefix + topic;
    return async () => {
      this.#keeper.count(topic, key);
      try {
        await this.#commands.redis.xadd(key, '*', ...fields);
      } catch (reason) {
        throw this.#commands.fault(reason);
      }
    };
  }

  protected subscription(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
  ): ServedSubscription {
    const { queue, durable = false } = options;
    const key = this.#prefix + topic;
    const claimAfterMs = this.#claimAfterMs;
    const source =
      queue === undefined
        ? new SoloSource(key)
        : new GroupSource({ key, group: queue, consumer: randomUUID(), durable, claimAfterMs });
    const handout = new Handout(topic, handler, options, this.limits, this.#parts);
    const { drainMs } = this.limits;
    const parts = { ...this.#parts, commands: this.#commands };
    return new Consumer(handout, source, { claimAfterMs, drainMs }, this.#given, parts);
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
}

/** Publishes to streams of a Redis server, and shares them in groups. */
export function redisStreams(options: RedisStreamsBrokerOptions = {}): Provider<Broker> {
  return (resolve) => new RedisStreamsBroker(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

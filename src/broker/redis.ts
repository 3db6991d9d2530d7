import { Clock } from '../core/clock.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import { RedisLine } from '../core/redis.js';
import type { RedisOptions, RedisParts } from '../core/redis-options.js';
import type { Broker, DeliveryHandler, SubscribeOptions } from './broker.js';
import { HEADER_LIMITS, writeEnvelope } from './envelope.js';
import { Handout } from './handout.js';
import { Channels } from './redis/channels.js';
import { RedisSubscription } from './redis/subscription.js';
import { servedLimits, type ServedBrokerOptions } from './served.js';
import { ServedBroker, type ServedSubscription } from './served-broker.js';

export interface RedisBrokerOptions extends ServedBrokerOptions, RedisOptions {
  /** How many events wait for the handler of one subscription; what comes then is dropped, and logged. @defaultValue `1_024` */
  readonly prefetch?: number;
  /** Put before a topic to make its channel. @defaultValue `''`, as go-micro has it */
  readonly prefix?: string;
  /** Whether a topic with `*`, `?` or `[` in it takes in every topic that it matches, as Redis' PSUBSCRIBE has it. @defaultValue `false` */
  readonly patterns?: boolean;
}

/**
 * Publishes on the channels of a Redis server, in the form of go-micro's redis broker. Needs `npm install ioredis`.
 *
 * At most once: Redis keeps nothing for a subscriber that is away, and has no queues. `RedisStreamsBroker` has both.
 */
export class RedisBroker extends ServedBroker {
  readonly name = 'redis';
  /** What it was given, without what is secret. */
  readonly options: Omit<RedisBrokerOptions, 'user' | 'pass' | 'tls'>;
  readonly guarantees;
  readonly #parts: RedisParts;
  readonly #prefix: string;
  readonly #commands: RedisLine;
  /** A connection that is subscribed sends no commands. */
  readonly #hearing: RedisLine;
  readonly #channels: Channels;

  constructor(options: RedisBrokerOptions, parts: RedisParts) {
    const limits = servedLimits(options, { prefetch: 1_024 });
    super('redis', limits, parts.clock);
    const { user: _user, pass: _pass, tls: _tls, ...shown } = options;
    this.guarantees = {
      delivery: 'at-most-once',
      durable: false,
      ordering: limits.concurrency === 1 ? 'per-topic' : 'none',
      queues: false,
      redelivery: false,
    } as const;
    this.#parts = parts;
    const { prefix = '', patterns = false } = options;
    this.#prefix = prefix;
    this.#channels = new Channels({ prefix, patterns }, parts);
    const who = 'the redis broker';
    this.#commands = new RedisLine(who, options, parts, { up: async () => {} });
    this.#hearing = new RedisLine(who, options, parts, { up: (redis) => this.#channels.hear(redis) });
    this.options = { ...shown, ...limits, prefix, patterns, addresses: this.#commands.where.split(', ') };
  }

  protected get where(): string {
    return this.#commands.where;
  }

  protected get connected(): boolean {
    return this.started && this.#commands.up && this.#hearing.up;
  }

  protected async open(): Promise<void> {
    try {
      await Promise.all([this.#commands.start(), this.#hearing.start()]);
    } catch (reason) {
      await this.close();
      throw reason;
    }
  }

  protected async close(): Promise<void> {
    await Promise.all([this.#commands.stop(), this.#hearing.stop()]);
  }

  protected sending(topic: string, message: Message): () => Promise<void> {
    const bytes = writeEnvelope(topic, message, { ...HEADER_LIMITS, maxBodyBytes: Infinity });
    return async () => {
      try {
        await this.#commands.redis.publish(this.#prefix + topic, bytes);
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
    if (options.queue !== undefined)
      this.#parts.logger.warn('redis knows no queues: every subscriber gets every event', { topic });
    const handout = new Handout(topic, handler, options, this.limits, this.#parts);
    return new RedisSubscription(handout, this.#channels, this.#hearing, this.limits.drainMs);
  }
}

/** Publishes and subscribes on a Redis server. */
export function redis(options: RedisBrokerOptions = {}): Provider<Broker> {
  return (resolve) => new RedisBroker(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

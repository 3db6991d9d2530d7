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
import { HEADER_LIMITS, writeEnvelope } from './envelope.js';
import { Handout } from './handout.js';
import { Publishes } from './publishes.js';
import { Channels } from './redis/channels.js';
import {
  checkBody,
  checkDurable,
  notStarted,
  servedLimits,
  type ServedBrokerOptions,
  type ServedLimits,
} from './served.js';
import { Traffic } from './traffic.js';

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
export class RedisBroker extends Broker {
  readonly name = 'redis';
  /** What it was given, without what is secret. */
  readonly options: Omit<RedisBrokerOptions, 'user' | 'pass' | 'tls'>;
  readonly guarantees;
  readonly #parts: RedisParts;
  readonly #traffic = new Traffic();
  readonly #limits: ServedLimits;
  readonly #prefix: string;
  readonly #commands: RedisLine;
  /** A connection that is subscribed sends no commands. */
  readonly #hearing: RedisLine;
  readonly #publishes: Publishes;
  readonly #channels: Channels;
  #running: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: RedisBrokerOptions, parts: RedisParts) {
    super();
    const { user: _user, pass: _pass, tls: _tls, ...shown } = options;
    const limits = servedLimits(options, { prefetch: 1_024 });
    this.guarantees = {
      delivery: 'at-most-once',
      durable: false,
      ordering: limits.concurrency === 1 ? 'per-topic' : 'none',
      queues: false,
      redelivery: false,
    } as const;
    this.#parts = parts;
    this.#limits = limits;
    this.#publishes = new Publishes(this.name, limits, parts.clock);
    const { prefix = '', patterns = false } = options;
    this.#prefix = prefix;
    this.#channels = new Channels({ prefix, patterns }, parts);
    const who = 'the redis broker';
    this.#commands = new RedisLine(who, options, parts, { up: async () => {} });
    this.#hearing = new RedisLine(who, options, parts, { up: (redis) => this.#channels.hear(redis) });
    this.options = { ...shown, ...limits, prefix, patterns, addresses: this.#commands.where.split(', ') };
  }

  get address(): string {
    return this.#running === undefined ? '' : this.#commands.where;
  }

  override stats(): BrokerStats {
    return this.#traffic.stats(this.#running !== undefined && this.#commands.up && this.#hearing.up);
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
    const bytes = writeEnvelope(topic, message, { ...HEADER_LIMITS, maxBodyBytes: Infinity });
    await this.#publishes.run(topic, signal, async () => {
      try {
        await this.#commands.redis.publish(this.#prefix + topic, bytes);
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
    if (options.queue !== undefined)
      this.#parts.logger.warn('redis knows no queues: every subscriber gets every event', { topic });
    const handout = new Handout(topic, this.#traffic.counted(handler), options, this.#limits, this.#parts);
    try {
      await this.#channels.join(handout, this.#hearing.redis);
    } catch (reason) {
      this.#channels.leave(handout);
      throw this.#hearing.fault(reason);
    }
    if (handout.ended)
      throw new OctavoError(
        'failed_precondition',
        `the redis broker was stopped while it subscribed to "${topic}"`,
      );
    return {
      topic,
      options,
      unsubscribe: async () => {
        this.#channels.leave(handout);
        await handout.end();
      },
    };
  }

  async #open(): Promise<void> {
    try {
      await Promise.all([this.#commands.start(), this.#hearing.start()]);
    } catch (reason) {
      this.#running = undefined;
      await Promise.all([this.#commands.stop(), this.#hearing.stop()]);
      throw reason;
    }
  }

  async #close(running: Promise<void>): Promise<void> {
    // Handlers in hand may publish until they are through.
    await this.#channels.end(this.#limits.drainMs);
    this.#running = undefined;
    await this.#publishes.endWithin(this.#limits.drainMs);
    await Promise.all([this.#commands.stop(), this.#hearing.stop()]);
    await running.catch(() => {});
  }
}

/** Publishes and subscribes on a Redis server. */
export function redis(options: RedisBrokerOptions = {}): Provider<Broker> {
  return (resolve) => new RedisBroker(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

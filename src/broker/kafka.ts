import type { Producer } from '@platformatic/kafka';
import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import { shownTls, type DialTls } from '../core/tls.js';
import type { Broker, DeliveryHandler, PublishOptions, SubscribeOptions } from './broker.js';
import { HEADER_LIMITS, writeEnvelope } from './envelope.js';
import { KafkaClient } from './kafka/client.js';
import type { ClientParts, KafkaSasl } from './kafka/options.js';
import { Lane } from './kafka/lane.js';
import { KafkaSubscription, type SubscriptionSettings } from './kafka/subscription.js';
import { notStarted, servedLimits, type ServedBrokerOptions } from './served.js';
import { ServedBroker, type ServedSubscription } from './served-broker.js';

export type { KafkaSasl } from './kafka/options.js';

export interface KafkaBrokerOptions extends ServedBrokerOptions {
  /** Servers of one cluster, `host:port`; one is enough, it tells of the others. @defaultValue `['127.0.0.1:9092']` */
  readonly addresses?: readonly string[];
  /** Who we are. @defaultValue nobody */
  readonly sasl?: KafkaSasl;
  /** Certificates; `{}` is TLS with what Node knows. @defaultValue plain text */
  readonly tls?: DialTls;
  /** Bytes of one event's body, which takes four thirds of its own on the wire; the server's `message.max.bytes` has the last word. @defaultValue 700 KiB, what a server takes unless it is told otherwise */
  readonly maxMessageBytes?: number;
  /** Put before the name of every consumer group, those without a queue's name too: several systems may share one Kafka, and an ACL be for one of them. @defaultValue `''` */
  readonly groupPrefix?: string;
  /** How long after its last sign of life a member of a queue counts as dead, in milliseconds, and its share goes to the others. @defaultValue `10_000` */
  readonly sessionTimeoutMs?: number;
  /** How often the server is told how far a subscription has come, in milliseconds, unless 500 events are dealt with before. @defaultValue `1_000` */
  readonly commitIntervalMs?: number;
  /** Bytes that a subscription fetches at once; twice that may wait in the process. @defaultValue 1 MiB */
  readonly maxBytes?: number;
}

export type KafkaBrokerParts = ClientParts;

/**
 * Publishes to Kafka's topics, confirmed by every replica in sync; a queue is a consumer group.
 *
 * Source: plugins v4 `broker/kafka`, whose form of events it speaks.
 */
export class KafkaBroker extends ServedBroker {
  readonly name = 'kafka';
  readonly options: KafkaBrokerOptions;
  readonly guarantees = {
    delivery: 'at-least-once',
    durable: true,
    ordering: 'per-key',
    queues: true,
    redelivery: true,
  } as const;
  readonly #settings: SubscriptionSettings;
  readonly #parts: KafkaBrokerParts;
  readonly #client: KafkaClient;
  readonly #lanes = new Map<string, Lane>();
  #producer: Producer | undefined;

  /** @throws `failed_precondition` for options that cannot work */
  constructor(options: KafkaBrokerOptions, parts: KafkaBrokerParts) {
    const limits = servedLimits(options, { maxMessageBytes: 700 * 1024 });
    super('kafka', limits, parts.clock);
    const { sasl, tls, addresses = ['127.0.0.1:9092'], ...others } = options;
    if (addresses.length === 0)
      throw new OctavoError('failed_precondition', 'addresses of the kafka broker is empty: name a server');
    this.options = {
      ...others,
      addresses,
      ...(sasl && { sasl: { ...sasl, password: '***' } }),
      ...(tls && { tls: shownTls(tls) }),
    };
    const { sessionTimeoutMs = 10_000, commitIntervalMs = 1_000, maxBytes = 1024 * 1024 } = options;
    const { groupPrefix = '' } = options;
    this.#settings = { ...limits, sessionTimeoutMs, commitIntervalMs, maxBytes, groupPrefix };
    this.#parts = parts;
    const { connectTimeoutMs } = limits;
    this.#client = new KafkaClient({ addresses, sasl, tls, connectTimeoutMs, sessionTimeoutMs }, parts);
  }

  protected get where(): string {
    return this.#client.where;
  }

  /** What the library keeps is not told. */
  protected get connected(): undefined {
    return undefined;
  }

  protected async open(): Promise<void> {
    await this.#client.start(() => this.stopping);
    if (this.stopping)
      throw new OctavoError(
        'unavailable',
        `the kafka broker was stopped while it connected to ${this.#client.where}`,
      );
    this.#producer = this.#client.producer((reason) => void this.#replace(reason));
  }

  protected async close(opened: Promise<void>): Promise<void> {
    await opened.catch(() => {});
    const stopped = new OctavoError('unavailable', 'the kafka broker was stopped during a publish');
    for (const lane of this.#lanes.values()) lane.end(stopped);
    const producer = this.#producer;
    this.#producer = undefined;
    if (producer !== undefined) await this.#client.close(producer);
    this.#lanes.clear();
    this.#client.stop();
  }

  protected sending(topic: string, message: Message, { key }: PublishOptions): () => Promise<void> {
    checkTopic(topic);
    const { maxMessageBytes, timeoutMs } = this.limits;
    const maxBodyBytes = Math.ceil((maxMessageBytes * 4) / 3) + 2 * HEADER_LIMITS.maxHeaderBytes;
    const value = writeEnvelope(topic, message, { ...HEADER_LIMITS, maxBodyBytes });
    const until = this.#parts.clock.now() + timeoutMs;
    return async () => {
      try {
        await this.#lane(topic).publish(value, key, until);
      } catch (reason) {
        throw this.#client.error(`publish to "${topic}"`, reason);
      }
    };
  }

  protected subscription(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
  ): ServedSubscription {
    checkTopic(topic);
    return new KafkaSubscription(topic, handler, options, this.#client, this.#settings, this.#parts);
  }

  /** What was asked of a producer that has read what it cannot read may never be answered. */
  async #replace(reason: Error): Promise<void> {
    const producer = this.#producer;
    if (producer === undefined) return;
    this.#parts.logger.warn('a connection to Kafka is given up', {
      server: this.#client.where,
      error: reason,
    });
    this.#producer = this.#client.producer((next) => void this.#replace(next));
    const lanes = [...this.#lanes.values()];
    this.#lanes.clear();
    for (const lane of lanes) lane.end(reason);
    await this.#client.close(producer);
  }

  #lane(topic: string): Lane {
    const { clock } = this.#parts;
    const producer = this.#producer;
    if (producer === undefined) throw notStarted(this);
    const known = this.#lanes.get(topic);
    if (known !== undefined) return known;
    const idle = (): void => {
      if (this.#lanes.get(topic) === lane) this.#lanes.delete(topic);
    };
    const lane = new Lane(topic, producer, () => clock.now(), idle);
    this.#lanes.set(topic, lane);
    return lane;
  }
}

/** Publishes to Kafka. */
export function kafka(options: KafkaBrokerOptions = {}): Provider<Broker> {
  return (resolve) => new KafkaBroker(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

/** Kafka's own rule for the names of topics. */
function checkTopic(topic: string): void {
  if (/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/.test(topic)) return;
  throw new OctavoError(
    'invalid_argument',
    `"${topic}" is no topic of Kafka's: use letters, digits, ".", "_" and "-", at most 249`,
  );
}

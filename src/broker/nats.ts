import { Clock } from '../core/clock.js';
import type { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import { NatsClient, type NatsOptions, type NatsParts } from '../core/nats.js';
import { NatsConnections } from '../core/nats-connection.js';
import { checkPattern, checkTopic } from '../core/nats-subject.js';
import type { Provider } from '../core/provider.js';
import type { Broker, BrokerGuarantees, DeliveryHandler, SubscribeOptions } from './broker.js';
import { HEADER_LIMITS, writeEnvelope } from './envelope.js';
import { Subscription, type SubscriptionInit } from './nats/subscription.js';
import { servedLimits, type ServedBrokerOptions } from './served.js';
import { ServedBroker, type ServedSubscription } from './served-broker.js';

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

/** A publish that the server has not confirmed. */
interface Sent {
  readonly subject: string;
  refusal?: OctavoError;
}

/**
 * Publishes by core NATS, in the form of go-micro's nats broker: a topic is a subject. Needs `npm install @nats-io/transport-node`.
 *
 * At most once: a publish is confirmed when the server has it, and the server keeps nothing for who is away. Subscriptions may have wildcards.
 */
export class NatsBroker extends ServedBroker {
  readonly name = 'nats';
  readonly guarantees: BrokerGuarantees;
  /** What it was given, without what is secret. */
  readonly options: Omit<NatsBrokerOptions, 'user' | 'pass' | 'token' | 'tls'>;
  readonly #client: NatsClient;
  readonly #subscribing: SubscriptionInit;
  /** What the server has not confirmed. */
  readonly #sent = new Set<Sent>();

  constructor(options: NatsBrokerOptions, parts: NatsParts) {
    const served = servedLimits(options, { prefetch: 8_192 });
    super('nats', served, parts.clock);
    const { user: _user, pass: _pass, token: _token, tls: _tls, addresses: _addresses, ...shown } = options;
    this.options = shown;
    this.#client = new NatsClient('the nats broker', options, parts, {
      // What was published and not confirmed fails by its flush.
      down: () => {},
      forbidden: (subject, error) => {
        for (const sent of this.#sent) if (sent.subject === subject) sent.refusal = error;
      },
    });
    const { maxPendingBytes = 64 * 1024 * 1024 } = options;
    const limits = { ...HEADER_LIMITS, ...shown, ...served, maxPendingBytes };
    this.#subscribing = { ...parts, client: this.#client, limits };
    this.guarantees = {
      delivery: 'at-most-once',
      durable: false,
      ordering: served.concurrency === 1 ? 'per-topic' : 'none',
      queues: true,
      redelivery: false,
    };
  }

  protected get where(): string {
    return this.#client.where;
  }

  protected get connected(): boolean {
    return this.#client.up;
  }

  protected open(): Promise<void> {
    return this.#client.start();
  }

  protected close(): Promise<void> {
    return this.#client.stop();
  }

  protected sending(topic: string, message: Message): () => Promise<void> {
    checkTopic(topic);
    // What the server takes is known to it alone.
    const data = writeEnvelope(topic, message, { ...this.#subscribing.limits, maxBodyBytes: Infinity });
    return async () => {
      const sent: Sent = { subject: topic };
      this.#sent.add(sent);
      try {
        this.#client.publish(topic, data);
        await this.#client.confirm();
      } finally {
        this.#sent.delete(sent);
      }
      if (sent.refusal !== undefined) throw sent.refusal;
    };
  }

  protected subscription(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
  ): ServedSubscription {
    checkPattern(topic);
    return new Subscription(topic, handler, options, this.#subscribing);
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

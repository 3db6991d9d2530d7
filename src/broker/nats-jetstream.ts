import { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import { NatsClient, type NatsOptions, type NatsParts } from '../core/nats.js';
import { NatsConnections } from '../core/nats-connection.js';
import { checkPattern, checkTopic } from '../core/nats-subject.js';
import type { Provider } from '../core/provider.js';
import type { Broker, BrokerGuarantees, DeliveryHandler, SubscribeOptions } from './broker.js';
import { HEADER_LIMITS, writeEnvelope } from './envelope.js';
import type { Settings } from './nats-jetstream/settings.js';
import { Store } from './nats-jetstream/store.js';
import { Subscription } from './nats-jetstream/subscription.js';
import { notStarted, servedLimits, type ServedBrokerOptions } from './served.js';
import { ServedBroker, type ServedSubscription } from './served-broker.js';

export interface NatsJetStreamBrokerOptions extends ServedBrokerOptions, NatsOptions {
  /** The stream that keeps the events; it is made where it is not there. @defaultValue `'octavo'` */
  readonly stream?: string;
  /** Put before every topic, so that the stream keeps these subjects and no others. @defaultValue `'octavo.'` */
  readonly prefix?: string;
  /** What the stream keeps. @defaultValue everything with the prefix: `['octavo.>']` */
  readonly subjects?: readonly string[];
  /** Where the server keeps them: those in memory go with it. @defaultValue `'file'` */
  readonly storage?: 'file' | 'memory';
  /** How many servers of a cluster keep each event. @defaultValue `1` */
  readonly replicas?: number;
  /** For how long the stream keeps an event, in milliseconds; 0 is for ever. @defaultValue `604_800_000`, a week */
  readonly maxAgeMs?: number;
  /** Bytes of all that the stream keeps; over it the oldest go, dealt with or not. @defaultValue 1 GiB */
  readonly maxBytes?: number;
  /** For how long the id of an event is remembered: another one with the same is not kept. @defaultValue `120_000` */
  readonly dedupeMs?: number;
  /** After how much silence of whoever has an event in hand it goes to another, in milliseconds. @defaultValue `30_000` */
  readonly ackWaitMs?: number;
  /** How many events of one queue are in the hands of all its members. @defaultValue `1_024` */
  readonly maxAckPending?: number;
  /** How often an event is delivered before it goes to `<topic>.dead`. @defaultValue `100` */
  readonly maxDeliver?: number;
  /** For how long a queue that is not durable, and has no member, is remembered, in milliseconds. @defaultValue `300_000` */
  readonly inactiveMs?: number;
  /** Bytes of one event's header. @defaultValue 64 KiB */
  readonly maxHeaderBytes?: number;
  /** Names in one event's header. @defaultValue `256` */
  readonly maxHeaders?: number;
}

const DEFAULTS = {
  stream: 'octavo',
  prefix: 'octavo.',
  storage: 'file',
  replicas: 1,
  maxAgeMs: 7 * 24 * 3_600_000,
  maxBytes: 1024 * 1024 * 1024,
  dedupeMs: 120_000,
  ackWaitMs: 30_000,
  maxAckPending: 1_024,
  maxDeliver: 100,
  inactiveMs: 300_000,
  ...HEADER_LIMITS,
} as const;

/**
 * Publishes to a stream of NATS JetStream, which keeps events for a while, and knows what each queue has dealt with. Needs
 * `npm install @nats-io/transport-node @nats-io/jetstream`.
 *
 * At least once. Events with one `Micro-Id` are one, so that a publish may be tried again. Subscriptions may have wildcards.
 */
export class NatsJetStreamBroker extends ServedBroker {
  readonly name = 'nats-jetstream';
  readonly guarantees: BrokerGuarantees;
  /** What it was given, without what is secret. */
  readonly options: Omit<NatsJetStreamBrokerOptions, 'user' | 'pass' | 'token' | 'tls'>;
  readonly #settings: Settings;
  readonly #parts: NatsParts;
  readonly #client: NatsClient;
  #store: Store | undefined;

  constructor(options: NatsJetStreamBrokerOptions, parts: NatsParts) {
    const limits = servedLimits(options);
    super('nats-jetstream', limits, parts.clock);
    const { user: _user, pass: _pass, token: _token, tls: _tls, addresses: _addresses, ...shown } = options;
    this.options = shown;
    this.#parts = parts;
    const { prefix = DEFAULTS.prefix } = options;
    this.#settings = { ...DEFAULTS, subjects: [`${prefix}>`], ...shown, ...limits };
    this.#client = new NatsClient('the nats-jetstream broker', options, parts, {
      down: (error) => this.#store?.interrupt(error),
      up: () => this.renew(),
      forbidden: (subject, error) => this.#store?.interrupt(error, subject),
    });
    this.guarantees = {
      delivery: 'at-least-once',
      durable: true,
      ordering: limits.concurrency === 1 ? 'per-topic' : 'none',
      queues: true,
      redelivery: true,
    };
  }

  protected get where(): string {
    return this.#client.where;
  }

  protected get connected(): boolean {
    return this.#client.up;
  }

  protected async open(): Promise<void> {
    await this.#client.start();
    try {
      this.#store = await Store.open(this.#client, this.#settings);
      await this.#store.ensure();
    } catch (reason) {
      await this.#client.stop();
      throw reason;
    }
  }

  protected async close(): Promise<void> {
    this.#store?.interrupt(new OctavoError('unavailable', 'the nats-jetstream broker was stopped'));
    await this.#client.stop();
  }

  protected sending(topic: string, message: Message): () => Promise<void> {
    checkTopic(topic);
    const store = this.#opened;
    // What the server takes is known to it alone.
    const data = writeEnvelope(topic, message, { ...this.#settings, maxBodyBytes: Infinity });
    const id = message.header.get('Micro-Id');
    // One id may be published to several topics, which share a stream.
    const once = id === undefined ? undefined : `${topic}/${id}`;
    return () => store.publish(this.#settings.prefix + topic, data, once);
  }

  protected subscription(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
  ): ServedSubscription {
    checkPattern(topic);
    return new Subscription(topic, handler, options, {
      ...this.#parts,
      client: this.#client,
      store: this.#opened,
      settings: this.#settings,
    });
  }

  get #opened(): Store {
    if (this.#store === undefined) throw notStarted(this);
    return this.#store;
  }
}

/** Publishes through NATS JetStream. */
export function natsJetStream(options: NatsJetStreamBrokerOptions = {}): Provider<Broker> {
  return (resolve) =>
    new NatsJetStreamBroker(options, {
      clock: resolve(Clock),
      logger: resolve(Logger),
      connections: resolve(NatsConnections),
    });
}

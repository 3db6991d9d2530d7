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
import { Session } from './nats-jetstream/session.js';
import type { Settings } from './nats-jetstream/settings.js';
import { checkBody, checkDurable, notStarted, servedLimits, type ServedBrokerOptions } from './served.js';
import { Traffic } from './traffic.js';

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
export class NatsJetStreamBroker extends Broker {
  readonly name = 'nats-jetstream';
  readonly guarantees: BrokerGuarantees;
  /** What it was given, without what is secret. */
  readonly options: Omit<NatsJetStreamBrokerOptions, 'user' | 'pass' | 'token' | 'tls'>;
  readonly #given: NatsOptions;
  readonly #settings: Settings;
  readonly #parts: NatsParts;
  readonly #traffic = new Traffic();
  #starting: Promise<void> | undefined;
  #session: Session | undefined;

  constructor(options: NatsJetStreamBrokerOptions, parts: NatsParts) {
    super();
    const { user: _user, pass: _pass, token: _token, tls: _tls, addresses: _addresses, ...shown } = options;
    this.options = shown;
    this.#given = options;
    this.#parts = parts;
    const { prefix = DEFAULTS.prefix } = options;
    this.#settings = { ...DEFAULTS, subjects: [`${prefix}>`], ...shown, ...servedLimits(options) };
    this.guarantees = {
      delivery: 'at-least-once',
      durable: true,
      ordering: this.#settings.concurrency === 1 ? 'per-topic' : 'none',
      queues: true,
      redelivery: true,
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
    checkBody(topic, message, this.#settings.maxMessageBytes);
    // What the server takes is known to it alone.
    const data = writeEnvelope(topic, message, { ...this.#settings, maxBodyBytes: Infinity });
    await session.publish(topic, data, message.header.get('Micro-Id'), signal);
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
    const session = new Session(this.#given, this.#settings, this.#parts);
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

/** Publishes through NATS JetStream. */
export function natsJetStream(options: NatsJetStreamBrokerOptions = {}): Provider<Broker> {
  return (resolve) =>
    new NatsJetStreamBroker(options, {
      clock: resolve(Clock),
      logger: resolve(Logger),
      connections: resolve(NatsConnections),
    });
}

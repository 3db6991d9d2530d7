import { Clock, type Timer } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import { Metadata } from '../core/metadata.js';
import type { Provider } from '../core/provider.js';
import {
  Broker,
  type BrokerOptions,
  type Delivery,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from './broker.js';

/** The subscriptions that several memory brokers share. */
export class MemoryBus {
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  /** Whose turn it is, by topic and queue. */
  readonly #turns = new Map<string, number>();

  add(subscription: Subscription): void {
    const all = this.#subscriptions.get(subscription.topic) ?? new Set();
    this.#subscriptions.set(subscription.topic, all.add(subscription));
  }

  remove(subscription: Subscription): void {
    const all = this.#subscriptions.get(subscription.topic);
    all?.delete(subscription);
    if (all?.size === 0) this.#subscriptions.delete(subscription.topic);
  }

  /** Who gets the next event of a topic: all without a queue, and one of each queue in turn. */
  takers(topic: string): readonly Subscription[] {
    const queues = new Map<string, Subscription[]>();
    const takers: Subscription[] = [];
    for (const each of this.#subscriptions.get(topic) ?? []) {
      const { queue } = each.options;
      if (queue === undefined) takers.push(each);
      else queues.set(queue, [...(queues.get(queue) ?? []), each]);
    }
    for (const [queue, members] of queues) {
      const key = `${topic}\0${queue}`;
      const turn = this.#turns.get(key) ?? 0;
      this.#turns.set(key, turn + 1);
      const taker = members[turn % members.length];
      if (taker !== undefined) takers.push(taker);
    }
    return takers;
  }
}

export interface MemoryBrokerOptions extends BrokerOptions {
  /** What this broker shares with others. @defaultValue a bus of its own */
  readonly bus?: MemoryBus;
  /** How many events wait for one subscriber; over it `publish` rejects with `resource_exhausted`. @defaultValue `1_024` */
  readonly maxQueue?: number;
}

export interface MemoryBrokerParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Delivers events within one process, in the order they were published, one at a time for each subscriber.
 *
 * Publishing does not wait for subscribers. A refused event comes again, after the delay that was asked for, behind those that wait.
 */
export class MemoryBroker extends Broker {
  readonly name = 'memory';
  readonly address = 'memory';
  readonly guarantees = {
    delivery: 'at-least-once',
    durable: false,
    ordering: 'per-topic',
    queues: true,
    redelivery: true,
  } as const;
  readonly options: MemoryBrokerOptions;
  readonly #parts: MemoryBrokerParts;
  readonly #bus: MemoryBus;
  readonly #own = new Set<Subscription>();
  #started = false;

  constructor(options: MemoryBrokerOptions, parts: MemoryBrokerParts) {
    super();
    this.options = options;
    this.#parts = parts;
    this.#bus = options.bus ?? new MemoryBus();
  }

  start(): void {
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
    await Promise.all([...this.#own].map((each) => each.end()));
  }

  async publish(topic: string, { header, body }: Message, { signal }: PublishOptions = {}): Promise<void> {
    this.#check();
    signal?.throwIfAborted();
    const takers = this.#bus.takers(topic);
    const { maxQueue = 1_024 } = this.options;
    if (takers.some((each) => each.waiting >= maxQueue))
      throw new OctavoError(
        'resource_exhausted',
        `a subscriber of "${topic}" is ${maxQueue} events behind (maxQueue)`,
      );
    for (const each of takers) each.push({ header: new Metadata(header), body });
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    this.#check();
    if (options.durable === true)
      throw new OctavoError(
        'failed_precondition',
        `the memory broker keeps nothing while a subscriber of "${topic}" is away: leave "durable" out`,
      );
    const subscription = new Subscription(topic, handler, options, this.#parts, (it) => {
      this.#bus.remove(it);
      this.#own.delete(it);
    });
    this.#own.add(subscription);
    this.#bus.add(subscription);
    return { topic, options, unsubscribe: () => subscription.end() };
  }

  #check(): void {
    if (!this.#started)
      throw new OctavoError('failed_precondition', 'the memory broker is not started: call start() first');
  }
}

/** Delivers within this process. */
export function memory(options: MemoryBrokerOptions = {}): Provider<Broker> {
  return (resolve) => new MemoryBroker(options, { clock: resolve(Clock), logger: resolve(Logger) });
}

interface Event {
  readonly message: Message;
  readonly attempt: number;
}

class Subscription {
  readonly topic: string;
  readonly options: SubscribeOptions;
  readonly #handler: DeliveryHandler;
  readonly #parts: MemoryBrokerParts;
  readonly #onEnd: (subscription: Subscription) => void;
  readonly #events: Event[] = [];
  /** Those that wait for their delay. */
  readonly #delayed = new Set<Timer>();
  #running: Promise<void> | undefined;
  #ended = false;

  constructor(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions,
    parts: MemoryBrokerParts,
    onEnd: (subscription: Subscription) => void,
  ) {
    this.topic = topic;
    this.options = options;
    this.#handler = handler;
    this.#parts = parts;
    this.#onEnd = onEnd;
  }

  get waiting(): number {
    return this.#events.length + this.#delayed.size;
  }

  push(message: Message): void {
    this.#add({ message, attempt: 1 });
  }

  /** Takes no more; resolves when the one in hand is dealt with. */
  async end(): Promise<void> {
    if (!this.#ended) this.#onEnd(this);
    this.#ended = true;
    this.#events.length = 0;
    for (const timer of this.#delayed) timer.cancel();
    this.#delayed.clear();
    await this.#running;
  }

  #add(event: Event): void {
    if (this.#ended) return;
    this.#events.push(event);
    // Not now: who publishes does not run the subscribers.
    this.#running ??= new Promise<void>((resolve) => {
      setImmediate(() => void this.#run().then(resolve));
    });
  }

  async #run(): Promise<void> {
    for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift())
      await this.#deliver(event);
    this.#running = undefined;
  }

  async #deliver({ message, attempt }: Event): Promise<void> {
    const { topic } = this;
    let settled = false;
    const once = (run: () => void) => (): void => {
      if (settled) return;
      settled = true;
      run();
    };
    const ack = once(() => {});
    const delivery: Delivery = {
      topic,
      message,
      attempt,
      ack,
      nack: ({ delayMs = 0 } = {}) => once(() => this.#again({ message, attempt: attempt + 1 }, delayMs))(),
    };
    try {
      await this.#handler(delivery);
      if (this.options.autoAck !== false) ack();
    } catch (error) {
      this.#parts.logger.warn('a handler refused an event', { topic, attempt, error });
      delivery.nack();
    }
  }

  #again(event: Event, delayMs: number): void {
    if (this.#ended) return;
    const timer = this.#parts.clock.after(
      delayMs,
      () => {
        this.#delayed.delete(timer);
        this.#add(event);
      },
      { background: true },
    );
    this.#delayed.add(timer);
  }
}

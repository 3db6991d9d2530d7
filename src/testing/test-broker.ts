import {
  Broker,
  type DeliveryHandler,
  type PublishOptions,
  type SubscribeOptions,
  type Subscriber,
} from '../broker/broker.js';
import { checkDurable } from '../broker/served.js';
import { OctavoError } from '../core/error.js';
import { InHand } from '../core/in-hand.js';
import type { Message } from '../core/message.js';
import { Metadata } from '../core/metadata.js';
import { schemaOf } from '../schema/schema.js';
import type { Init } from '../schema/message-type.js';
import type { Topic } from '../schema/topic.js';

/** An event that was published. */
export interface Published {
  readonly topic: string;
  readonly message: Message;
}

interface Running {
  readonly topic: string;
  readonly handler: DeliveryHandler;
  readonly inHand: InHand;
}

/** A broker that keeps what is published, and delivers what a test hands it. What is published is also delivered to who subscribed. */
export class TestBroker extends Broker {
  readonly name = 'test';
  readonly address = 'test';
  readonly options = {};
  readonly guarantees = {
    delivery: 'at-least-once',
    durable: true,
    ordering: 'per-topic',
    queues: false,
    redelivery: false,
  } as const;
  /** Everything that was published, in order. */
  readonly published: Published[] = [];
  readonly #running = new Set<Running>();
  readonly #inHand = new InHand();
  #started = false;

  start(): void {
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#running.clear();
    await this.settled();
  }

  async publish(topic: string, message: Message, { signal }: PublishOptions = {}): Promise<void> {
    this.#check();
    if (signal?.aborted === true)
      throw new OctavoError('cancelled', `the publish to "${topic}" was aborted`, { cause: signal.reason });
    const kept = copyOf(message);
    this.published.push({ topic, message: kept });
    for (const running of this.#running)
      if (running.topic === topic) this.#run(running, kept).catch(() => {});
  }

  async subscribe(
    topic: string,
    handler: DeliveryHandler,
    options: SubscribeOptions = {},
  ): Promise<Subscriber> {
    this.#check();
    checkDurable(this, topic, options);
    const running: Running = { topic, handler, inHand: new InHand() };
    this.#running.add(running);
    return {
      topic,
      options,
      unsubscribe: async () => {
        this.#running.delete(running);
        await running.inHand.idle();
      },
    };
  }

  /** The events of a topic that were published, decoded. */
  publishedTo<T extends object>({ name, type }: Topic<T>): T[] {
    return this.published
      .filter(({ topic }) => topic === name)
      .map(({ message }) => schemaOf(type).decode(message.body));
  }

  /** Gives an event to every subscriber of a topic, and resolves when all have dealt with it. Rejects when there is none. */
  async deliver<T extends object>(
    { name, type }: Topic<T>,
    event: Init<T>,
    metadata?: Metadata,
  ): Promise<void> {
    const header = new Metadata(metadata)
      .set('Content-Type', 'application/protobuf')
      .set('Micro-Topic', name);
    const message = { header, body: schemaOf(type).encode(event) };
    const matching = [...this.#running].filter(({ topic }) => topic === name);
    if (matching.length === 0) throw new OctavoError('not_found', `nobody subscribed to "${name}"`);
    await Promise.all(matching.map((running) => this.#run(running, message)));
  }

  /** What was buried: published to `<topic>.dead`. */
  deadLetters<T extends object>({ name, type }: Topic<T>): T[] {
    return this.publishedTo({ name: `${name}.dead`, type });
  }

  /** Resolves when no subscriber has anything in hand. */
  async settled(): Promise<void> {
    await this.#inHand.idle();
  }

  #check(): void {
    if (!this.#started)
      throw new OctavoError('failed_precondition', 'the test broker is not started: call start() first');
  }

  #run({ topic, handler, inHand }: Running, message: Message): Promise<void> {
    const delivery = { topic, message: copyOf(message), attempt: 1, ack() {}, nack() {} };
    return this.#inHand.run(() => inHand.run(() => handler(delivery)));
  }
}

function copyOf({ header, body }: Message): Message {
  return { header: new Metadata(header), body: Uint8Array.from(body) };
}

import type { Broker, Delivery, Subscriber } from '../broker/broker.js';
import type { Codecs } from '../codec/codecs.js';
import type { Clock } from '../core/clock.js';
import { EventContext, type NackOptions } from '../core/context.js';
import { OctavoError } from '../core/error.js';
import type { Identity } from '../core/identity.js';
import type { Logger } from '../core/logger.js';
import type { Message } from '../core/message.js';
import { Metadata } from '../core/metadata.js';
import { CONTENT_TYPE, userMetadata } from '../core/mucp.js';
import { schemaOf } from '../schema/schema.js';
import { compose, type Next, type Wrapper } from '../wrapper/wrapper.js';
import { ServerCall } from './server-call.js';
import type { Subscription } from './server.js';

export interface SubscriptionsParts {
  readonly identity: Identity;
  readonly broker: Broker;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Put behind a topic's name to name the topic of what nobody could deal with. */
const DEAD = '.dead';

interface Running {
  readonly subscription: Subscription;
  readonly run: Next;
  subscriber: Subscriber | undefined;
}

/** Runs the subscribers of a service: decodes, wraps, tries again and buries, the same on every broker. */
export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  readonly #wrappers: readonly Wrapper[];
  readonly #running: Running[] = [];
  /** Ends the waiting between two tries. */
  #stopping = new AbortController();
  #started = false;

  constructor(parts: SubscriptionsParts, wrappers: readonly Wrapper[]) {
    this.#parts = parts;
    this.#wrappers = wrappers;
  }

  get all(): readonly Subscription[] {
    return this.#running.map(({ subscription }) => subscription);
  }

  /**
   * Adds subscriptions: they begin with {@link start}, or now when that was.
   *
   * @throws `failed_precondition` for what the broker cannot give
   */
  async add(subscriptions: readonly Subscription[]): Promise<readonly Subscriber[]> {
    const added = subscriptions.map((subscription) => this.#make(subscription));
    this.#running.push(...added);
    if (this.#started) for (const each of added) await this.#begin(each);
    return added.map((each) => new Handle(each, () => this.#remove(each)));
  }

  async start(): Promise<void> {
    this.#started = true;
    this.#stopping = new AbortController();
    for (const each of this.#running) await this.#begin(each);
  }

  /** Takes no more events, and waits for those in hand. Tries that wait for their time are given up. */
  async stop(): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    this.#stopping.abort();
    await Promise.all(this.#running.map(async ({ subscriber }) => subscriber?.unsubscribe()));
  }

  /** Gives an event that came another way to every subscription of its topic. Rejects with what the first failing one threw. */
  async deliver(topic: string, message: Message): Promise<void> {
    const matching = this.#running.filter(({ subscription }) => subscription.topic === topic);
    if (matching.length === 0)
      throw new OctavoError('not_found', `${this.#parts.identity.name} has no subscriber of "${topic}"`, {
        executed: false,
      });
    for (const each of matching) await this.#once(each, message, 1, { acknowledge() {}, refuse() {} });
  }

  #make(subscription: Subscription): Running {
    const { broker } = this.#parts;
    if (subscription.options.durable === true && !broker.guarantees.durable)
      throw new OctavoError(
        'failed_precondition',
        `${subscription.name} wants "${subscription.topic}" durable, which the ${broker.name} broker cannot give: use another broker, or leave it out`,
      );
    const { handler, wrappers } = subscription;
    const run = compose([...this.#wrappers, ...wrappers], async (call) => {
      // The context of an event is made below, and is one.
      await handler(call.request, call.context as EventContext);
      return { body: undefined };
    });
    return { subscription, run, subscriber: undefined };
  }

  async #begin(running: Running): Promise<void> {
    const { topic, options } = running.subscription;
    running.subscriber = await this.#parts.broker.subscribe(
      topic,
      (delivery) => this.#take(running, delivery),
      {
        autoAck: false,
        ...(options.queue !== undefined && { queue: options.queue }),
        ...(options.durable !== undefined && { durable: options.durable }),
      },
    );
  }

  async #remove(running: Running): Promise<void> {
    const at = this.#running.indexOf(running);
    if (at >= 0) this.#running.splice(at, 1);
    await running.subscriber?.unsubscribe();
  }

  /** Tries until it works or the tries are used up, then buries or refuses. */
  async #take(running: Running, delivery: Delivery): Promise<void> {
    const { retry, deadLetter, ack } = running.subscription.options;
    const attempts = retry === undefined ? 1 : (retry.attempts ?? 5);
    const backoff = retry?.backoff ?? jittered;
    let settled = false;
    const acknowledgement: Acknowledgement = {
      acknowledge() {
        settled = true;
        delivery.ack();
      },
      refuse(options) {
        settled = true;
        delivery.nack(options);
      },
    };
    for (let attempt = delivery.attempt; ; attempt++) {
      try {
        await this.#once(running, delivery.message, attempt, acknowledgement);
        if (ack !== 'manual' && !settled) delivery.ack();
        return;
      } catch (reason) {
        if (settled) return;
        if (attempt < attempts && (await this.#pause(backoff(attempt)))) continue;
        await this.#giveUp(running, delivery, attempt, reason, deadLetter === true);
        return;
      }
    }
  }

  async #once(
    running: Running,
    message: Message,
    attempt: number,
    acknowledgement: Acknowledgement,
  ): Promise<void> {
    const { identity, codecs, clock, logger } = this.#parts;
    const { topic, type } = running.subscription;
    const { header, body } = message;
    const context = new EventContext({
      service: identity.name,
      endpoint: topic,
      clock,
      logger,
      metadata: () => userMetadata(header),
      peer: { address: '', octavo: false },
      attempt,
      id: header.get('Micro-Id') ?? '',
      ...acknowledgement,
    });
    const call = new ServerCall({ kind: 'event', endpoint: topic, idempotent: false }, context, () => {
      const contentType = header.get(CONTENT_TYPE) ?? 'application/protobuf';
      const codec = codecs.get(contentType);
      if (codec === undefined)
        throw new OctavoError(
          'invalid_argument',
          `an event of "${topic}" has the unsupported content type "${contentType}"`,
        );
      const event = codec.readBody(body, type, 'event');
      // What a codec gives for a type is an instance of it.
      schemaOf(type).validate(event as object);
      return event;
    });
    try {
      await context.run(() => running.run(call));
    } finally {
      context.end();
    }
  }

  /** Waits before the next try. Returns whether there may be one. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await this.#parts.clock.sleep(ms, this.#stopping.signal);
      return true;
    } catch {
      return false;
    }
  }

  /** What nobody could deal with is logged and gone, or buried; while stopping it goes back, for another node to try. */
  async #giveUp(
    running: Running,
    delivery: Delivery,
    attempt: number,
    reason: unknown,
    bury: boolean,
  ): Promise<void> {
    const { broker, logger } = this.#parts;
    const { topic, name } = running.subscription;
    const facts = { topic, subscriber: name, attempt, error: reason };
    if (this.#stopping.signal.aborted) return delivery.nack();
    if (!bury) {
      logger.error('a subscriber refused an event, which is dropped', facts);
      return delivery.ack();
    }
    try {
      const { header, body } = delivery.message;
      const grave = new Metadata(header).set('Micro-Topic', `${topic}${DEAD}`);
      await broker.publish(`${topic}${DEAD}`, { header: grave, body });
      logger.error(`a subscriber refused an event, which went to ${topic}${DEAD}`, facts);
      delivery.ack();
    } catch (error) {
      logger.error(`an event could go neither to its subscriber nor to ${topic}${DEAD}`, {
        ...facts,
        because: error,
      });
      delivery.nack();
    }
  }
}

interface Acknowledgement {
  acknowledge(): void;
  refuse(options: NackOptions): void;
}

class Handle implements Subscriber {
  readonly topic: string;
  readonly options: Subscriber['options'];
  readonly #remove: () => Promise<void>;
  #removed: Promise<void> | undefined;

  constructor({ subscription: { topic, options } }: Running, remove: () => Promise<void>) {
    this.topic = topic;
    this.options = {
      ...(options.queue !== undefined && { queue: options.queue }),
      ...(options.durable !== undefined && { durable: options.durable }),
    };
    this.#remove = remove;
  }

  unsubscribe(): Promise<void> {
    return (this.#removed ??= this.#remove());
  }
}

/** Full jitter under 100 ms, doubled for each retry, at most 10 s. */
function jittered(retry: number): number {
  return Math.random() * Math.min(10_000, 100 * 2 ** (retry - 1));
}
